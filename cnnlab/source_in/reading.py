"""From source to architecture: which of its networks is meant, how large its pictures are, and what stands around it."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field

from pydantic import ValidationError

from cnnlab.architecture import Architecture, LayerSpec
from cnnlab.architecture.network import MAX_NAME
from cnnlab.i18n import Message
from cnnlab.source_in import sizing
from cnnlab.source_in.core import MAX_CALLS
from cnnlab.source_in.findings import Finding, Imported, Refusal, TooMuch
from cnnlab.source_in.graph import Graph
from cnnlab.source_in.keras_models import channels_first, maps_shape, picture_of, takes_vector
from cnnlab.source_in.lacking import other_library
from cnnlab.source_in.modules import all_modules
from cnnlab.source_in.outside import reaches_outside
from cnnlab.source_in.statements import Machine, is_network_class
from cnnlab.source_in.text import parse, short
from cnnlab.source_in.tree import to_layers
from cnnlab.source_in.values import Class, Env, Function, Layer, Module, Tensor, Unknown, Value
from cnnlab.validation import first_finding

_OWN = ("torch", "tensorflow", "keras", "tf_keras", "collections", "typing", "math", "functools", "itertools", "copy",
        "__future__", "typing_extensions", "abc", "dataclasses", "types", "pytorch_lightning", "lightning")  # fmt: skip


def read_source(
    source: str | bytes, input_shape: tuple[int, int, int] | None = None, network: str | None = None
) -> Imported:
    """Return the network that a piece of PyTorch or Keras source defines; the source is parsed and never run.

    Args:
        source: the text, from anyone.
        input_shape: ``(C, H, W)``, where it is known better than from the code.
        network: which of its networks, where there are several.
    """
    reader = _Reader(input_shape)
    try:
        return reader.read(source, network)
    except Refusal as refusal:
        return reader.result(None, [refusal.finding])
    except RecursionError:
        text = Message("this nests deeper than any network's source; it was not read")
        return reader.result(None, [Finding(1, text)])


_WITHOUT_STEP = ("Identity", "InputLayer", "Reshape", "Permute")


@dataclass
class _Reader:
    """One reading: everything found so far stays, whatever stops it."""

    shape: tuple[int, int, int] | None
    ignored: list[Finding] = field(default_factory=list)
    problems: list[Finding] = field(default_factory=list)
    choices: tuple[str, ...] = ()
    asks_size: bool = False
    channels: int | None = None
    machine: Machine = field(init=False)
    tree: ast.Module = field(default_factory=lambda: ast.Module([], []))

    def __post_init__(self) -> None:
        self.machine = Machine(self.shape)

    def read(self, source: str | bytes, network: str | None) -> Imported:
        self.tree, self.ignored = parse(source)
        self.problems = reaches_outside(self.tree)
        env = Env()
        env.names["__name__"] = "__main__"
        self.machine.block(self.tree.body, env)
        return self._traced(self._chosen(env, network))

    def result(
        self, architecture: Architecture | None, problems: list[Finding], graph: Graph | None = None
    ) -> Imported:
        """Return everything that was found, by line."""
        self._note_unused()
        notes = {**self.machine.notes, **(graph.notes if graph else {})}
        wrong = {(one.line, str(one.text)): one for one in [*self.problems, *problems]}
        known = {one.line for one in wrong.values()}
        left = {one.line: one for one in [*self.machine.ignored.values(), *self.ignored] if one.line not in known}
        return Imported(
            architecture,
            self.shape,
            problems=_by_line(wrong.values()),
            ignored=_by_line(left.values()),
            notes=_by_line(notes.values()),
            choices=self.choices,
            asks_size=self.asks_size,
            channels=self.channels,
        )

    # ------------------------------------------------------------------------------------------------ which network
    def _chosen(self, env: Env, network: str | None) -> Module:
        found = self._made() or self._nameless(0) or self._from_classes(env) or self._from_functions(env)
        found = found or self._nameless()
        if not found:
            raise self._nothing(env)
        if len(found) > 1:
            self.choices = tuple(found)
            if network not in found:
                raise Refusal(
                    min(getattr(value, "line", 1) for value in found.values()),
                    Message("this source has several networks: {names}; choose one", names=", ".join(found)),
                )
            return self._module(found[network])
        return self._module(next(iter(found.values())))

    def _module(self, value: Value) -> Module:
        self.machine.known(value, getattr(value, "line", 1))
        if isinstance(value, Module):
            return value
        raise Refusal(getattr(value, "line", 1), Message("no network was found: neither a class with layers (nn.Module) nor a Sequential"))  # fmt: skip

    def _made(self) -> dict[str, Value]:
        """Return the networks that the source makes outside all others."""
        inner = {id(child) for _name, module in self.machine.made for child in all_modules(module)[1:]}
        inner |= {
            id(one)
            for _name, module in self.machine.made
            if module.base in ("ModuleList", "ModuleDict")
            for one in [module]
        }
        if any(module.base == "graph" for _name, module in self.machine.made):
            inner |= self.machine.lanes  # a model that another one is made of
        found: dict[str, Value] = {}
        seen: set[int] = set()
        for name, module in self.machine.made:
            if id(module) not in inner and id(module) not in seen:
                seen.add(id(module))
                found[name if name not in found else f"{name} ({module.line})"] = module
        if not found:
            failed = [refusal for refusal in self.machine.failures if refusal.network]
            if failed:
                raise failed[0]
        return found

    def _nameless(self, deepest: int = MAX_CALLS) -> dict[str, Value]:
        """Return the networks that the source makes and uses at once, without keeping them: ``Net(3)(images)``."""
        inner = {
            id(child) for _calls, module in self.machine.loose for child in all_modules(module)[1:]
        } | self.machine.lanes
        found: dict[str, Value] = {}
        for calls, module in self.machine.loose:
            if (
                calls <= deepest
                and id(module) not in inner
                and module.base not in ("ModuleList", "ModuleDict")
                and _holds_layers(module)
            ):
                name = self._name(module)
                found[name if name not in found else f"{name} ({module.line})"] = module
        return found

    def _from_classes(self, env: Env) -> dict[str, Value]:
        """Return an object of each network class that no other class or function makes, if it can be made without arguments."""
        classes = {name: cls for name, cls in env.names.items() if isinstance(cls, Class) and is_network_class(cls)}
        used = {node.id for value in env.names.values() if isinstance(value, (Class, Function))
                for node in ast.walk(value.node) if isinstance(node, ast.Name)}  # fmt: skip
        tops = {name: cls for name, cls in classes.items() if name not in used} or classes
        found: dict[str, Value] = {}
        refusals: list[Refusal] = []
        for name, cls in tops.items():
            try:
                found[name] = self._call(cls, cls.node.lineno)
            except TooMuch:
                raise
            except Refusal as refusal:
                refusals.append(refusal)
        if not found and refusals and not self._builders(env):
            lost = [value.cause for value in env.names.values() if isinstance(value, Unknown) and value.cause]
            raise [*lost, *refusals][0]  # what the source itself made of it, and could not be read, comes first
        return found

    def _builders(self, env: Env) -> dict[str, Function]:
        return {
            name: value for name, value in env.names.items()
            if isinstance(value, Function) and isinstance(value.node, ast.FunctionDef) and value.node not in self.machine.used
            and len(value.defaults) == len([*value.node.args.posonlyargs, *value.node.args.args])
        }  # fmt: skip

    def _from_functions(self, env: Env) -> dict[str, Value]:
        """Return what the functions give that need no argument and that nobody called: ``def resnet18(): return ...``."""
        found: dict[str, Value] = {}
        for name, function in self._builders(env).items():
            try:
                value = self._call(function, function.node.lineno)
            except TooMuch:
                raise
            except Refusal:
                continue
            if isinstance(value, (Module, Unknown)) and not (isinstance(value, Unknown) and value.cause is None):
                found[name] = value
        modules = {name: value for name, value in found.items() if isinstance(value, Module)}
        return modules or found or self._made()

    def _call(self, value: Value, line: int) -> Value:
        node = ast.copy_location(ast.Call(ast.Name("network", ast.Load()), [], []), ast.Pass(lineno=line, col_offset=0))
        ast.copy_location(node.func, node)
        return self.machine.call(value, [], {}, node)

    def _nothing(self, env: Env) -> Refusal:
        """Return that there is no network; what could not be read on the way, and may have been one, is said with it."""
        lost = [value.cause for value in env.names.values() if isinstance(value, Unknown) and value.cause]
        broken = [refusal for refusal in lost if refusal.network]
        if broken:  # there is one, with something in it that cannot be read: that alone is to be said
            return broken[0]
        self.problems += [refusal.finding for refusal in lost[:5]]
        classes = [value for value in env.names.values() if isinstance(value, Class)]
        others = [other_library(path, one.node.lineno) for one in classes for path in sorted(one.library_bases())]
        self.problems += [finding for finding in others if finding is not None]
        line = min((finding.line for finding in self.problems), default=1)
        return Refusal(line, Message("no network was found: neither a class with layers (nn.Module) nor a Sequential"))

    # ------------------------------------------------------------------------------------------------ its layers
    def _traced(self, module: Module) -> Imported:
        line = module.cls.node.lineno if module.cls else module.line
        self.shape = self.shape or self._written_shape(module)
        if self.shape is None and module.base != "graph":
            self.shape = sizing.work_out(self.machine, module, line)
        if self.shape is None:
            self.asks_size = True
            self.channels = sizing.channels(self.machine, module, line)
            raise Refusal(
                line, Message("the code does not say how large its pictures are; give channels, height and width")
            )
        graph, output = sizing.trace(self.machine, module, self.shape, line)
        end = graph.settle(output, line, ())
        layers = to_layers(graph, end)
        try:
            found = Architecture(name=self._name(module), input_shape=self.shape, layers=layers)  # type: ignore[arg-type]
        except ValidationError as error:
            raise Refusal(
                line, Message("{code}: {finding}", code=self._name(module), finding=first_finding(error))
            ) from error
        if not layers:
            raise Refusal(line, Message("this network has no layers"))
        self._check(found, graph, end, line)
        self._unused_layers(module, graph)
        return self.result(None if graph.broken else found, graph.problems, graph)

    def _name(self, module: Module) -> str:
        return (module.cls.name if module.cls else module.label or "network")[:MAX_NAME]

    def _written_shape(self, module: Module) -> tuple[int, int, int] | None:
        """Return the input shape that the source itself says."""
        if module.base == "graph" and module.output is not None:
            return _three(module.output.graph.nodes[0].shape)
        first = next((child for child in module.children.values() if isinstance(child, Layer)), None)
        settings = first.settings if module.base == "keras" and first else {}
        given = module.given or settings.get("input_shape")
        if given is None and isinstance(settings.get("batch_input_shape"), tuple):
            given = settings["batch_input_shape"][1:]
        if module.base == "keras" and (numbers := takes_vector(module)) is not None:
            shape = picture_of(numbers)
            if shape is not None and self.shape is None:
                self.machine.note(module.line, Message("{numbers} numbers go in; read as a picture of {shape}", numbers=numbers, shape="x".join(map(str, shape))))  # fmt: skip
            return shape
        if given is not None and module.base == "keras":
            leading = channels_first(module)
            if not isinstance(next(iter(module.children.values()), None), Tensor):
                return maps_shape(given, leading)
            read = _three(given)  # with the channels last, for nobody knew better where it was made
            return (read[1], read[2], read[0]) if read and leading and not self.machine.channels_first else read
        if given is not None:
            return maps_shape(given)
        feeds = [shape for fed, shape, _line in self.machine.feeds if fed is module and len(shape) == 3]
        every = {shape for _fed, shape, _line in self.machine.feeds if len(shape) == 3}
        return _three(feeds[0]) if feeds else _three(every.pop()) if len(every) == 1 else None

    def _check(self, found: Architecture, graph: Graph, end: int, line: int) -> None:
        """Refuse a tree that does not give what the graph gives: better no network than another one."""
        trace = found.trace()
        if graph.misfits or graph.narrow:
            return
        learned = sum(spec.num_params(shape) for spec, shape in _layers(graph, end))
        if trace.error is not None:
            raise Refusal(line, trace.error)
        if trace.rows[-1].output_shape != graph.nodes[end].shape or trace.num_params != learned:
            raise Refusal(line, Message("this network could not be read"))

    # ------------------------------------------------------------------------------------------------ around it
    def _unused_layers(self, module: Module, graph: Graph) -> None:
        for one in all_modules(module):
            if isinstance(one, Layer) and one not in graph.taken and one.kind not in _WITHOUT_STEP:
                text = Message("{name} is made but never used in forward", name=one.label or one.kind)
                self.ignored.append(Finding(one.line, text))

    def _note_unused(self) -> None:
        """List definitions that the network does not need, and libraries that are not read."""
        for node in self.tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node not in self.machine.used:
                self.machine.ignored.setdefault(node.lineno, Finding(node.lineno, Message("not part of the network: {code}", code=short(ast.unparse(node)))))  # fmt: skip
            elif isinstance(node, ast.Import) and any(alias.name.split(".")[0] not in _OWN for alias in node.names):
                self.machine.ignore(node)
            elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] not in _OWN:
                self.machine.ignore(node)


def _layers(graph: Graph, end: int) -> Iterable[tuple[LayerSpec, tuple[int, ...]]]:
    """Return the layers that lead to a node, with the shapes that arrive at them."""
    queue, seen = [end], set[int]()
    while queue:
        number = queue.pop()
        if number in seen:
            continue
        seen.add(number)
        node = graph.nodes[number]
        queue += node.inputs
        shape = graph.nodes[node.inputs[0]].shape if node.inputs else None
        if node.spec is not None and shape is not None:
            yield node.spec, shape


def _holds_layers(module: Module) -> bool:
    return module.output is not None or any(isinstance(one, Layer) for one in all_modules(module))


def _by_line(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda one: one.line))


def _three(shape: tuple[int, ...] | None) -> tuple[int, int, int] | None:
    return (shape[0], shape[1], shape[2]) if shape is not None and len(shape) == 3 else None


__all__ = ["read_source"]
