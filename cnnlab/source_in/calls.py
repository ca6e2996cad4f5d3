"""What a call gives: functions and classes of the source are read on, a library's are looked up, nothing is ever run."""

from __future__ import annotations

import ast
from typing import Any

from cnnlab.architecture.source import _RBF as RBF_SOURCE
from cnnlab.i18n import Message
from cnnlab.source_in import (
    builtin,
    keras_models,
    keras_own,
    ops,
    records,
    torch_layers,
    torch_ops,  # noqa: F401  (registers what is done to tensors)
    torch_views,
)
from cnnlab.source_in.core import MAX_CALLS
from cnnlab.source_in.findings import Refusal, TooMuch
from cnnlab.source_in.lacking import from_library, no_function, no_layer
from cnnlab.source_in.libraries import MODULE_BASES
from cnnlab.source_in.modules import Modules
from cnnlab.source_in.outside import BUILTINS, MODULES
from cnnlab.source_in.text import short
from cnnlab.source_in.values import (
    BATCH,
    TRAINING,
    Bound,
    Class,
    Env,
    Function,
    Instance,
    Layer,
    Lib,
    Module,
    Partial,
    Super,
    Tensor,
    Unknown,
    Value,
)

_LIBRARY = {**builtin.FUNCTIONS, **torch_layers.MAKERS, **ops.FUNCTIONS, **keras_models.MAKERS}
_INERT = ("torch.nn.init.", "warnings.", "logging.", "torch.manual_seed", "numpy.random.seed", "random.seed",
          "builtins.print", "torch.backends.", "torch.cuda.", "torch._C", "torch._assert")  # fmt: skip
_SETTINGS = ("keras.regularizers.", "keras.initializers.", "keras.constraints.")
"""What a layer of Keras is given that no layer of the lab has: nobody looks into it."""
_RBF_CLASS = ast.unparse(ast.parse(RBF_SOURCE))
_PLAIN_BASES = {"builtins.object", "abc.ABC", records.NAMED_TUPLE}


class Calls(Modules):
    """Calls and attributes of every kind of value."""

    def run(self, body: list[ast.stmt], env: Env) -> Value:
        """Carry out a function's body and return what it returns."""
        raise NotImplementedError

    # ------------------------------------------------------------------------------------------------ attributes
    def attribute(self, value: Value, name: str, node: ast.expr) -> Value:
        if isinstance(value, Unknown):
            self.unknowns += 1
            return value
        if isinstance(value, Lib):
            return self.library(f"{value.path}.{name}")
        if isinstance(value, (Module, Instance)):
            return self._of_object(value, name, node)
        if isinstance(value, Super):
            return self._of_super(value, name)
        if isinstance(value, Class):
            return self._of_class(value, name, node)
        if isinstance(value, Layer):
            return self.layer_attribute(value, name, node)
        if isinstance(value, Tensor):
            return torch_views.attribute(self, value, name, node)
        if isinstance(value, Function):
            return value.name if name == "__name__" else self.unknown(node)
        if isinstance(value, (str, list, dict, tuple, set)):
            return Bound(value, name)
        return self.unknown(node)

    def _of_object(self, value: Module | Instance, name: str, node: ast.expr) -> Value:
        if name in value.names:
            return value.names[name]
        if isinstance(value, Module) and name in value.children:
            return value.children[name]
        if value.cls is not None and (found := value.cls.find(name)) is not None:
            return self._method(found, value, node)
        if isinstance(value, Module):
            return TRAINING if name == "training" else self.module_attribute(value, name, node)
        if name == "__class__":
            return value.cls
        raise AttributeError(name)

    def _method(self, found: Value, receiver: Value, node: ast.expr) -> Value:
        if not isinstance(found, Function) or found.kind == "staticmethod" or found.owner is None:
            return found
        if found.kind == "property":
            return self.call_function(found, [receiver], {}, node)
        if found.kind == "classmethod":
            return Bound(receiver if isinstance(receiver, Class) else receiver.cls, found)
        return Bound(receiver, found)

    def _of_class(self, cls: Class, name: str, node: ast.expr) -> Value:
        if name == "__name__":
            return cls.name
        found = cls.find(name)
        if found is None and not cls.library_bases():
            raise AttributeError(name)
        if isinstance(found, Function) and found.kind == "classmethod":
            return Bound(cls, found)
        if found is None:
            return Bound(cls, f"super.{name}")
        return found

    def _of_super(self, value: Super, name: str) -> Value:
        for base in value.cls.bases:
            if isinstance(base, Class) and (found := base.find(name)) is not None:
                return Bound(value.receiver, found) if isinstance(found, Function) else found
        return Bound(value.receiver, f"super.{name}")

    def super_of(self, node: ast.Call, env: Env) -> Value:
        if node.args:
            cls, receiver = (
                (self.eval(argument, env) for argument in node.args[:2]) if len(node.args) > 1 else (None, None)
            )
        else:
            holder = env.holder("__class__")
            if holder is None:
                raise TypeError("super() outside of a method")
            cls, receiver = holder.names["__class__"], holder.names["__self__"]
        if not isinstance(cls, Class) or not isinstance(receiver, (Module, Instance)):
            raise TypeError("super() of something else")
        return Super(cls, receiver)

    # ------------------------------------------------------------------------------------------------ calls
    def call(self, function: Value, args: list[Value], kwargs: dict[str, Value], node: ast.expr) -> Value:
        self.tick(node.lineno)
        if isinstance(function, Unknown):
            self._check_reach(function, args, kwargs, node)
            self.unknowns += 1
            return function
        if isinstance(function, Lib):
            return self._call_library(function.path, args, kwargs, node)
        if isinstance(function, Class):
            return self._construct(function, args, kwargs, node)
        if isinstance(function, Function):
            return self.call_function(function, args, kwargs, node)
        if isinstance(function, Bound):
            if isinstance(function.target, Function):
                if isinstance(function.receiver, Module) and not self.strict and function.target.name == "forward":
                    return self.run_net(function.receiver, args, kwargs, node)  # as if the network itself were called
                return self.call_function(function.target, [function.receiver, *args], kwargs, node)
            return self._call_method(function.receiver, function.target, args, kwargs, node)
        if isinstance(function, Partial):
            return self.call(function.target, [*function.args, *args], {**function.kwargs, **kwargs}, node)
        if isinstance(function, (Module, Layer)):
            return self.run_net(function, args, kwargs, node)
        raise TypeError("not callable")

    def _check_reach(self, function: Unknown, args: list[Value], kwargs: dict[str, Value], node: ast.expr) -> None:
        """Refuse, inside the network, a call of something unknown that may change a part of it."""
        held = [*args, *kwargs.values()]
        if self.strict and any(isinstance(value, (Module, Layer, list)) for value in held):
            raise Refusal(node.lineno, Message("not understood: {code}", code=short(ast.unparse(node))))

    def _call_method(
        self, receiver: Value, name: str, args: list[Value], kwargs: dict[str, Value], node: ast.expr
    ) -> Value:
        if isinstance(receiver, Tensor):
            return self.tensor_op(name, [receiver, *args], kwargs, node)
        if isinstance(receiver, Class):  # nn.Module.__init__(self), by way of the class
            receiver, args = args[0], args[1:]
        if isinstance(receiver, Module):
            return self.module_method(receiver, name, args, kwargs, node)
        if isinstance(receiver, Layer):
            return self.layer_method(receiver, name, args, kwargs, node)
        if isinstance(receiver, Instance):
            return None if name == "super.__init__" else self.unknown(node)
        return builtin.method(self, receiver, name, args, kwargs, node)

    def tensor_op(self, name: str, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
        for value in [*args, *kwargs.values()]:
            self.known(value, node.lineno)
        handler = ops.OPS.get(name)
        if handler is None:
            raise Refusal(node.lineno, Message("not understood: {code}", code=short(ast.unparse(node))))
        return handler(self, args, kwargs, node)

    def _call_library(self, path: str, args: list[Value], kwargs: dict[str, Value], node: ast.expr) -> Value:
        if handler := _LIBRARY.get(path):
            return handler(self, args, kwargs, node)
        if path.startswith(_SETTINGS):
            return Lib(path)
        if path in MODULE_BASES:
            return self.container(MODULE_BASES[path], args, kwargs, node)
        parts, called = path.split("."), node.func if isinstance(node, ast.Call) else node
        if self.strict and (parts[-1] in BUILTINS if parts[0] == "builtins" else parts[0] in MODULES):
            raise Refusal(node.lineno, Message("{code} reaches outside the network; it was not carried out", code=short(ast.unparse(called))))  # fmt: skip
        if path.startswith(_INERT):
            self.left_out(node)
            return self.unknown(node)
        if path.endswith(".__init__") and path[: -len(".__init__")] in MODULE_BASES and args:
            return self.module_method(args[0], "super.__init__", args[1:], kwargs, node)
        if parts[-1] in ("shuffle", "heapify", "heappush", "heappop", "insort"):
            raise Refusal(node.lineno, Message("not understood: {code}", code=short(ast.unparse(node))))
        unknown = self.unknown(node, cause=self._why(path, node))
        self._feed(parts[-1], args, kwargs, node)
        self._check_reach(unknown, args, kwargs, node)
        return unknown

    def _why(self, path: str, node: ast.expr) -> Refusal | None:
        """Return what is to be said of a library's layer or network that the lab does not have."""
        parts = path.split(".")
        if path.startswith(("torch.nn.", "keras.")) and parts[-1][:1].isupper() and len(parts) < 4:
            return no_layer(parts[-1], node.lineno)
        if path.startswith("torch.nn.functional."):
            return no_function(parts[-1], node.lineno)
        if path.startswith(("torchvision.models.", "keras.applications.", "timm.", "torch.hub.")):
            return from_library(parts[-1], short(ast.unparse(node)), node.lineno)
        return None

    def _feed(self, name: str, args: list[Value], kwargs: dict[str, Value], node: ast.expr) -> None:
        """Take note of an input shape that the source gives to a helper: ``summary(model, (3, 32, 32))``."""
        nets = [value for value in args if isinstance(value, Module)]
        if not nets or self.strict:
            return
        for value in [*args, *kwargs.values()]:
            if isinstance(value, Tensor) and value.shape:
                self.feeds.append((nets[0], value.shape, node.lineno))
            elif "summary" in name or name == "get_model_complexity_info":
                if (
                    isinstance(value, (tuple, list))
                    and len(value) in (3, 4)
                    and all(isinstance(n, int) for n in value[-3:])
                ):
                    self.feeds.append((nets[0], tuple(value[-3:]), node.lineno))

    # ------------------------------------------------------------------------------------------------ of the source
    def _construct(self, cls: Class, args: list[Value], kwargs: dict[str, Value], node: ast.expr) -> Value:
        self.used.update(one.node for one in cls.line_of_descent())
        if cls.name == "RBF" and ast.unparse(cls.node) == _RBF_CLASS and not args:
            return torch_layers.rbf(kwargs, node.lineno)
        if keras_own.is_own(cls):
            return keras_own.make(self, cls.name, args, kwargs, node)
        bases = cls.library_bases()
        known = [MODULE_BASES[path] for path in bases if path in MODULE_BASES]
        if not known and bases - _PLAIN_BASES:
            return self.unknown(node)
        init = cls.find("__init__")
        if not known:
            plain = Instance(cls)
            if isinstance(init, Function):
                self.call_function(init, [plain, *args], kwargs, node)
            elif cls.all_fields():
                records.fill(self, plain, args, kwargs, node)
            elif args or kwargs:
                raise TypeError("it takes no arguments")
            return plain
        module = Module(known[0], node.lineno, cls, ready=False)
        self.strict += 1
        try:
            if isinstance(init, Function):
                self.call_function(init, [module, *args], kwargs, node)
            else:
                self.module_method(module, "super.__init__", args, kwargs, node)
        except Refusal as refusal:
            refusal.network = True
            raise
        finally:
            self.strict -= 1
        return self._loose(module)

    def call_function(self, function: Function, args: list[Value], kwargs: dict[str, Value], node: ast.expr) -> Value:
        """Return what a function of the source gives for these arguments."""
        self.used.add(function.node)
        if self.calls >= MAX_CALLS:
            raise TooMuch(
                node.lineno, Message("these calls go deeper than {limit}; it was not read further", limit=MAX_CALLS)
            )
        env = Env(function.env)
        if function.owner is not None and args:
            env.names["__class__"], env.names["__self__"] = function.owner, args[0]
        env.names.update(self._bind(function, args, dict(kwargs), node))
        self.calls += 1
        try:
            if isinstance(function.node, ast.Lambda):
                return self.eval(function.node.body, env)
            return self.run(function.node.body, env)
        finally:
            self.calls -= 1

    def _bind(
        self, function: Function, args: list[Value], kwargs: dict[str, Value], node: ast.expr
    ) -> dict[str, Value]:
        """Return the names of a function's parameters with their values, as Python binds them."""
        spec = function.node.args
        names = [argument.arg for argument in [*spec.posonlyargs, *spec.args]]
        bound = dict(zip(names, args))
        if spec.vararg:
            bound[spec.vararg.arg] = tuple(args[len(names) :])
        elif len(args) > len(names):
            raise self._mismatch(function, node)
        for name, value in zip(names[len(names) - len(function.defaults) :], function.defaults):
            if name not in bound and name not in kwargs:
                bound[name] = value
        for argument, value in zip(spec.kwonlyargs, function.kw_defaults):
            bound[argument.arg] = kwargs.pop(argument.arg, value)
        for name in names:
            if name in kwargs:
                bound[name] = kwargs.pop(name)
            elif name not in bound:
                raise self._mismatch(function, node)
        if spec.kwarg:
            bound[spec.kwarg.arg] = kwargs
        elif kwargs:
            raise self._mismatch(function, node)
        return bound

    def _mismatch(self, function: Function, node: ast.expr) -> Refusal:
        return Refusal(
            node.lineno,
            Message(
                "{name} is called with other arguments than line {line} takes",
                name=function.name,
                line=function.node.lineno,
            ),
        )

    def truth(self, value: Value, node: ast.expr) -> bool:
        if value is TRAINING:
            self.note(node.lineno, Message("read as it answers, not as it trains"))
            return False
        return super().truth(value, node)


__all__ = ["BATCH", "Calls"]
