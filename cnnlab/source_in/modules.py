"""Modules with children: what they register, what they can be asked, and how a tensor goes through them."""

from __future__ import annotations

import ast
import re
from typing import Any

from cnnlab.architecture import LAYERS
from cnnlab.architecture.joins import JOINS
from cnnlab.architecture.rare import RARE
from cnnlab.i18n import Message
from cnnlab.source_in import keras_layers, keras_models, keras_own
from cnnlab.source_in.expressions import Expressions, is_net
from cnnlab.source_in.findings import Refusal, TooMuch
from cnnlab.source_in.naming import Call, Scope
from cnnlab.source_in.text import short
from cnnlab.source_in.values import Bound, Function, Layer, Lib, Module, Tensor, Unknown, Value

_QUIET = frozenset(
    """train eval to cuda cpu half float double apply load_state_dict requires_grad_ zero_grad type share_memory compile fit
    evaluate predict summary save save_weights load_weights register_buffer register_parameter register_forward_hook
    parameters named_parameters state_dict buffers fit_generator train_on_batch init_weights to_json set_weights
    get_weights freeze predict_classes plot save_hyperparameters log log_dict gradient_checkpointing_enable""".split()
)
CHANNELS_FIRST = Message(
    'data_format="channels_first" here, where the input was read with the channels last; '
    'keras.config.set_image_data_format("channels_first") at the top says it for all'
)
_OURS = re.compile(rf"({'|'.join({kind.prefix for kind in (LAYERS | RARE | JOINS).values()})})\d*")
"""What the lab calls a layer in a network's rows."""
_SAME = frozenset("train eval to cuda cpu half float double apply requires_grad_ type".split())


class Modules(Expressions):
    """Containers, classes of the source, and layers as they are used."""

    def call(self, function: Value, args: list[Value], kwargs: dict[str, Value], node: ast.expr) -> Value:
        """Return what a call gives."""
        raise NotImplementedError

    def call_function(self, function: Function, args: list[Value], kwargs: dict[str, Value], node: ast.expr) -> Value:
        """Return what a function of the source gives."""
        raise NotImplementedError

    def container(self, base: str, args: list[Value], kwargs: dict[str, Value], node: ast.expr) -> Module | Unknown:
        """Return a new container, or a Keras model from its inputs and outputs."""
        if base == "Module" and (kwargs or args):
            return self._loose(keras_models.functional(self, args, kwargs, node))
        module = Module(base, node.lineno)
        self.fill(module, args, node)
        return self._loose(module)

    def _loose(self, module: Module | Unknown) -> Module | Unknown:
        """Remember a module that is made outside all others, and in how many functions: it may be used at once and never get a name."""
        if isinstance(module, Module) and not self.strict:
            self.loose.append((self.calls, module))
        return module

    def fill(self, module: Module, args: list[Value], node: ast.expr) -> None:
        """Let a container take the children it is made with."""
        module.ready = True
        if module.base in ("ModuleList", "keras") and args:
            args = self.iterate(args[0], node) if args[0] is not None else []
        elif args and isinstance(args[0], dict):
            for name, child in args[0].items():
                self.set_child(module, name, child, node)
            return
        elif module.base == "ModuleDict":
            args = [child for pair in args for child in self.iterate(pair, node)]
            for name, child in args:
                self.set_child(module, name, child, node)
            return
        for child in args:
            self.append(module, child, node)

    def append(self, module: Module, child: Value, node: ast.AST) -> None:
        """Put a child at the end."""
        number = len(module.children)
        while str(number) in module.children:
            number += 1
        self.set_child(module, str(number), child, node)

    def set_child(self, module: Module, name: Value, child: Value, node: Any) -> None:
        """Register a child under a name; what is no module stays unknown until a tensor has to go through it."""
        if isinstance(child, Lib) or (not is_net(child) and not isinstance(child, (Unknown, Tensor))):
            raise Refusal(node.lineno, Message("a layer is expected here: {code}", code=short(ast.unparse(node))))
        module.children[str(name)] = child
        keras_models.take_input(module, child)
        self.label(child, str(name))

    def label(self, child: Value, name: str) -> None:
        """Remember the first name that a module was kept under; numbers are no names."""
        if is_net(child) and not child.label and not name.isdigit():
            child.label = name

    def set_attribute(self, owner: Value, name: str, value: Value, node: ast.Attribute) -> None:
        """Set ``owner.name``; a module registers its modules."""
        if isinstance(owner, Module):
            if is_net(value):
                if not owner.ready:
                    raise Refusal(node.lineno, Message("`super().__init__()` has to come before the first layer"))
                owner.names.pop(name, None)
                owner.children[name] = value
                self.label(value, name)
            else:
                owner.children.pop(name, None)
                owner.names[name] = value
                if isinstance(value, (list, tuple, dict)) and any(is_net(one) for one in value):
                    self.note(
                        node.lineno,
                        Message("a plain list hides its layers from the optimizer; nn.ModuleList shows them"),
                    )
        elif hasattr(owner, "names"):
            owner.names[name] = value
        elif isinstance(owner, (Layer, Unknown, Lib, Tensor)):
            self._set_on_stand_in(owner, name, value, node)
        else:
            raise AttributeError(name)

    def _set_on_stand_in(self, owner: Value, name: str, value: Value, node: ast.Attribute) -> None:
        """Set an attribute of a layer or of a library; what would change the network unseen is refused."""
        if isinstance(owner, Lib):
            self.patched[f"{owner.path}.{name}"] = value
        if isinstance(owner, Layer):
            if isinstance(value, Unknown) and value.layer is not None and value.layer is not owner:
                raise Refusal(node.lineno, Message("{name} shares its weights with another layer; a tree of layers has weights of its own for each", name=owner.label or owner.kind))  # fmt: skip
            if name not in ("weight", "bias", "trainable", "name") or value is None:
                raise Refusal(node.lineno, Message("not understood: {code}", code=short(ast.unparse(node))))
        self.unknown(node)

    # ------------------------------------------------------------------------------------------------ what they can be asked
    def module_attribute(self, module: Module, name: str, node: ast.expr) -> Value:
        """Return a library's own attribute or method of a module."""
        if name == "_modules":
            return module.children
        if name in ("layers", "inputs", "outputs", "input_shape", "output_shape"):
            return list(module.children.values()) if name == "layers" else self.unknown(node)
        if name in ("output", "input"):
            return module.output if name == "output" and module.output is not None else self.unknown(node)
        if name in _METHODS or name in _QUIET or name.startswith("_"):
            return Bound(module, name)
        raise Refusal(node.lineno, Message("{name} is not made in this class", name=f"{short(ast.unparse(node))}"))

    def module_method(
        self, module: Value, name: str, args: list[Value], kwargs: dict[str, Value], node: ast.expr
    ) -> Value:
        """Return what a library's own method of a module gives."""
        self.known(module, node.lineno)
        if name == "super.__init__":
            if module.base == "Module" and module.cls and "keras.Model" in module.cls.library_bases() and args:
                raise Refusal(node.lineno, Message("not understood: {code}", code=short(ast.unparse(node))))
            self.fill(module, [] if module.base == "Module" else args, node)
            return None
        if name in ("super.forward", "super.__call__", "forward", "__call__", "call", "super.call"):
            return (
                self.through(module, args, kwargs, node)
                if name.startswith("super.")
                else self.run_net(module, args, kwargs, node)
            )
        if handler := _METHODS.get(name.removeprefix("super.")):
            return handler(self, module, args, kwargs, node)
        if name.removeprefix("super.") in _QUIET:
            self.left_out(node)
            return module if name in _SAME else self.unknown(node)
        raise Refusal(node.lineno, Message("not understood: {code}", code=short(ast.unparse(node))))

    def layer_attribute(self, layer: Layer, name: str, node: ast.expr) -> Value:
        """Return what a layer may be asked: its settings; its weights are unknown numbers."""
        if name in layer.settings:
            found = layer.settings[name]
            if name == "bias":
                return None if found is False or found is None else self._weight(layer, node)
            return (
                (found, found)
                if name in ("kernel_size", "stride", "padding", "dilation") and isinstance(found, int)
                else found
            )
        if name in ("weight", "bias", "running_mean", "running_var", "data"):
            return self._weight(layer, node)
        return Bound(layer, name)

    def _weight(self, layer: Layer, node: ast.expr) -> Unknown:
        numbers = self.unknown(node)
        numbers.layer = layer
        return numbers

    def layer_method(
        self, layer: Layer, name: str, args: list[Value], kwargs: dict[str, Value], node: ast.expr
    ) -> Value:
        """Return what a layer's method gives."""
        if name in ("forward", "__call__", "call"):
            return self.run_net(layer, args, kwargs, node)
        if name in _QUIET:
            return layer if name in _SAME else self.unknown(node)
        if name in ("children", "modules"):
            return [layer] if name == "modules" else []
        if name in ("named_children", "named_modules"):
            return [("", layer)] if name == "named_modules" else []
        raise Refusal(node.lineno, Message("not understood: {code}", code=short(ast.unparse(node))))

    # ------------------------------------------------------------------------------------------------ a tensor goes through
    def run_net(self, net: Module | Layer, args: list[Value], kwargs: dict[str, Value], node: ast.expr) -> Value:
        """Return what leaves a module for the tensor that arrives."""
        self.known(net, node.lineno)
        given = args[0] if args else kwargs.get("x", kwargs.get("inputs"))
        if isinstance(net, Layer):
            return self._run_layer(net, given, node)
        if isinstance(given, Unknown) and not self.strict:
            return self.unknown(node, cause=given.cause)
        self.known(given, node.lineno)
        feeding = not self.strict and isinstance(given, Tensor) and given.node == 0
        if isinstance(given, Tensor) and feeding and not given.graph.keras and given.shape is not None:
            self.feeds.append((net, given.shape, node.lineno))
        if isinstance(given, Tensor) and given.graph.keras and not self.strict:
            self.lanes.add(id(net))
        before = self.scope
        self.scopes += 1
        own_forward = net.cls is not None and (net.cls.find("forward") or net.cls.find("call"))
        self.scope = (*before, Call(self.scopes, net.label, not own_forward))
        self.strict += 1
        try:
            return self.through(net, args, kwargs, node)
        except Refusal as refusal:
            if not feeding or isinstance(refusal, TooMuch):
                raise
            return self.unknown(node, cause=refusal)  # the trace of the whole network will say it
        finally:
            self.scope = before
            self.strict -= 1

    def through(self, net: Module, args: list[Value], kwargs: dict[str, Value], node: ast.expr) -> Value:
        """Return what the module's ``forward`` (Keras: ``call``) gives, or its children one after the other."""
        if (own := net.names.get("forward")) is not None:  # set on the object, so without self
            return self.call(own, args, kwargs, node)
        for name in ("__call__", "forward", "call"):
            forward = net.cls.find(name) if net.cls else None
            if isinstance(forward, Function) and not _inside(forward, node):
                return self.call_function(forward, [net, *args], kwargs, node)
            if forward is not None and not isinstance(forward, Function):
                self.known(forward, node.lineno)
        if net.base in ("Sequential", "keras"):
            value = args[0]
            for child in net.children.values():
                if isinstance(child, Tensor):
                    continue
                value = self.run_net(self.known(child, node.lineno), [value], {}, _at(child, node, net))
            return value
        if net.base == "graph" and net.output is not None:
            raise Refusal(node.lineno, Message("a Keras model inside another is not read; write its layers out"))
        raise Refusal(node.lineno, Message("{name} has no forward", name=net.cls.name if net.cls else net.base))

    def _run_layer(self, layer: Layer, given: Value, node: ast.expr) -> Value:
        before = self.scope
        self.scope = (*before, *self._named_blocks(layer.settings.get("name")))
        try:
            return self._through_layer(layer, given, node)
        finally:
            self.scope = before

    def _named_blocks(self, name: Value) -> Scope:
        """Return the blocks that a name of the lab's Keras source stands in: ``stage1-block-conv1`` in two."""
        parts = name.split("-") if isinstance(name, str) else []
        if len(parts) < 2 or not _OURS.fullmatch(parts[-1]) or not all(part.isidentifier() for part in parts):
            return ()
        calls = [] if self.scope else [Call(0, "", container=True)]  # the network itself
        for length in range(1, len(parts)):
            path = tuple(parts[:length])
            if path not in self.blocks:
                self.scopes += 1
                self.blocks[path] = self.scopes
            calls.append(Call(self.blocks[path], path[-1], container=True))
        return tuple(calls)

    def _through_layer(self, layer: Layer, given: Value, node: ast.expr) -> Value:
        if isinstance(given, (list, tuple)):
            return self.tensor_op(f"merge.{layer.kind}", [given, layer], {}, node)
        if isinstance(self.known(given, node.lineno), Tensor):
            if (left := keras_own.through(layer, given, node.lineno, self.scope)) is not None:
                return left
            if given.border is not None:
                given = given.graph.spread(given, node.lineno, self.scope)
            if layer.kind == "Reshape":
                return keras_models.reshaped(layer, given)
            if layer.kind == "Permute":
                return keras_models.permuted(layer, given, node.lineno, self.scope)
            if layer.kind == "Flatten" and given.graph.keras:
                if not given.turned and _has_orders(given.shape):
                    self.note(layer.line, keras_layers.FLATTEN)
                given = Tensor(given.graph, given.node, given.shape, given.batch)
            if layer.settings.get("first") and given.graph.last:
                raise Refusal(layer.line, CHANNELS_FIRST)
            left = given.graph.layer(layer, given, node.lineno, self.scope)
            return given.become(left) if layer.settings.get("inplace") is True else left
        raise Refusal(node.lineno, Message("not understood: {code}", code=short(ast.unparse(node))))


def _has_orders(shape: tuple[int, ...] | None) -> bool:
    """Return whether maps can be laid out in more than one order: more than one of them, of more than one pixel."""
    return shape is not None and len(shape) == 3 and shape[0] > 1 and shape[1:] != (1, 1)


def _inside(function: Function, node: ast.expr) -> bool:
    """Return whether a call stands in the very function it would call: then it means what that one overrides."""
    first, last = function.node.lineno, getattr(function.node, "end_lineno", None) or function.node.lineno
    called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
    return first <= node.lineno <= last and called.startswith("super(")


def _at(child: Value, node: ast.expr, net: Module) -> ast.expr:
    """Return a node at the line where a container's child is made, for what is wrong with it."""
    if isinstance(child, Layer) and net.cls is None:
        return ast.copy_location(
            ast.Name(child.label or child.kind, ast.Load()), ast.Pass(lineno=child.line, col_offset=0)
        )
    return node


def all_modules(module: Value) -> list[Value]:
    """Return the module and everything in it, as ``modules()`` goes."""
    found, seen = [], set()
    queue = [module]
    while queue:
        one = queue.pop(0)
        if id(one) in seen or not is_net(one):
            continue
        seen.add(id(one))
        found.append(one)
        if isinstance(one, Module):
            queue = [*one.children.values(), *queue]
    return found


def _add_module(machine: Modules, module: Module, args: list[Value], kwargs: dict[str, Value], node: ast.expr) -> Value:
    name, child = (*args, *kwargs.values())[:2]
    machine.set_child(module, machine.known(name, node.lineno), child, node)
    return None


def _append(machine: Modules, module: Module, args: list[Value], kwargs: dict[str, Value], node: ast.expr) -> Value:
    machine.append(module, args[0], node)
    return module


def _extend(machine: Modules, module: Module, args: list[Value], kwargs: dict[str, Value], node: ast.expr) -> Value:
    for child in machine.iterate(args[0], node):
        machine.append(module, child, node)
    return module


def _insert(machine: Modules, module: Module, args: list[Value], kwargs: dict[str, Value], node: ast.expr) -> Value:
    children = list(module.children.values())
    children.insert(args[0], args[1])
    module.children = {str(number): child for number, child in enumerate(children)}
    return None


def _pop(machine: Modules, module: Module, args: list[Value], kwargs: dict[str, Value], node: ast.expr) -> Value:
    return module.children.pop(list(module.children)[args[0] if args else -1])


def _build(machine: Modules, module: Module, args: list[Value], kwargs: dict[str, Value], node: ast.expr) -> Value:
    module.given = module.given or (args[0] if args else kwargs.get("input_shape", (None,)))[1:]
    return None


_METHODS: dict[str, Any] = {
    "add_module": _add_module, "register_module": _add_module, "append": _append, "add": _append, "extend": _extend,
    "insert": _insert, "pop": _pop, "build": _build,
    "children": lambda _m, module, *_: [child for child in module.children.values() if is_net(child)],
    "named_children": lambda _m, module, *_: list(module.children.items()),
    "modules": lambda _m, module, *_: all_modules(module),
    "named_modules": lambda _m, module, *_: [(one.label, one) for one in all_modules(module)],
    "items": lambda _m, module, *_: list(module.children.items()),
    "keys": lambda _m, module, *_: list(module.children),
    "values": lambda _m, module, *_: list(module.children.values()),
    "__len__": lambda _m, module, *_: len(module.children),
}  # fmt: skip
