"""Python's statements. Inside the network every line has to be understood; around it, one that is not is left out and said."""

from __future__ import annotations

import ast

from cnnlab.i18n import Message
from cnnlab.source_in.calls import Calls
from cnnlab.source_in.expressions import FAILS
from cnnlab.source_in.findings import Refusal, TooMuch
from cnnlab.source_in.libraries import MODULE_BASES
from cnnlab.source_in.records import NAMED_TUPLE, declared
from cnnlab.source_in.text import short
from cnnlab.source_in.values import Class, Env, Function, Instance, Layer, Lib, Module, Tensor, Unknown, Value

_CHANGES = frozenset(
    "append extend insert add add_module pop remove update register_module clear reverse sort setattr".split()
)
MAX_LOOP = 10_000
_CHANGES_ITS_ARGUMENT = frozenset("setattr shuffle heapify heappush heappop insort".split())
_HARMLESS = ("torch.", "tensorflow.", "functools.", "typing.", "typing_extensions.", "abc.", "numba.")


class _Return(Exception):
    def __init__(self, value: Value) -> None:
        super().__init__()
        self.value = value


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


class Machine(Calls):
    """Reads a module of source from top to bottom."""

    def run(self, body: list[ast.stmt], env: Env) -> Value:
        """Carry out a function's body and return what it returns."""
        loops, self.loops = self.loops, 0
        try:
            self.block(body, env)
        except _Return as found:
            return found.value
        finally:
            self.loops = loops
        return None

    def block(self, body: list[ast.stmt], env: Env) -> None:
        """Carry out statements in order; outside the network, those that are not understood are left out."""
        for statement in body:
            self.tick(statement.lineno)
            if self.strict:
                self.statement(statement, env)
            else:
                self._leniently(statement, env)

    def statement(self, node: ast.stmt, env: Env) -> None:
        """Carry out one statement."""
        handler = getattr(self, f"_do_{type(node).__name__.lower()}", None)
        if handler is None:
            raise Refusal(node.lineno, Message("not understood: {code}", code=short(ast.unparse(node))))
        try:
            handler(node, env)
        except FAILS as error:
            raise Refusal(node.lineno, Message("this does not work in Python either: {code}", code=short(ast.unparse(node)))) from error  # fmt: skip

    def _leniently(self, node: ast.stmt, env: Env) -> None:
        before, made = self.unknowns, len(self.made)
        try:
            self.statement(node, env)
        except TooMuch:
            raise
        except Refusal as refusal:
            self._leave_out(node, env, refusal)
        simple = isinstance(node, (ast.Expr, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Assert, ast.Delete))
        if simple and self.unknowns > before and len(self.made) == made:
            self.ignore(node)

    def _leave_out(self, node: ast.stmt, env: Env, refusal: Refusal) -> None:
        """Forget everything that a statement which was not understood may have changed."""
        if self.calls and any(isinstance(part, (ast.Return, ast.Break, ast.Continue)) for part in ast.walk(node)):
            raise refusal  # where it goes on is not known either
        self.failures.append(refusal)
        self.ignore(node)
        lost = Unknown(node.lineno, short(ast.unparse(node)), refusal)
        for part in ast.walk(node):
            changed: ast.expr | None = None
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                env.names[part.id] = lost
            elif isinstance(part, (ast.Attribute, ast.Subscript)) and isinstance(part.ctx, (ast.Store, ast.Del)):
                changed = part.value
            elif isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute) and part.func.attr in _CHANGES:
                changed = part.func.value
            elif isinstance(part, ast.Call) and part.args and _last_name(part.func) in _CHANGES_ITS_ARGUMENT:
                changed = part.args[0]
            if changed is not None:
                self._spoil(changed, env, lost)

    def _spoil(self, node: ast.expr, env: Env, lost: Unknown) -> None:
        while isinstance(node, (ast.Attribute, ast.Subscript)):
            node = node.value
        if not isinstance(node, ast.Name) or (holder := env.holder(node.id)) is None:
            return
        value = holder.names[node.id]
        if isinstance(value, (Module, Instance, Layer)):
            value.spoiled = lost
        elif isinstance(value, (list, dict, set)):
            holder.names[node.id] = lost
            if isinstance(value, list):
                value.append(lost)  # whoever else holds this list holds what is unknown, too

    # ------------------------------------------------------------------------------------------------ simple ones
    def _do_expr(self, node: ast.Expr, env: Env) -> None:
        if not isinstance(node.value, ast.Constant):
            self.eval(node.value, env)

    def _do_assign(self, node: ast.Assign, env: Env) -> None:
        value = self.eval(node.value, env)
        for target in node.targets:
            self.assign(target, value, env)

    def _do_annassign(self, node: ast.AnnAssign, env: Env) -> None:
        if node.value is not None:
            self.assign(node.target, self.eval(node.value, env), env)

    def _do_augassign(self, node: ast.AugAssign, env: Env) -> None:
        load = _loaded(node.target)
        before = self.eval(load, env)
        value = self.eval(node.value, env)
        if isinstance(before, list) and isinstance(node.op, ast.Add):
            before.extend(self.iterate(value, node.value))
            self.bounded(before, node.lineno)
            return
        if isinstance(before, Module) and before.base in ("ModuleList", "Sequential") and isinstance(node.op, ast.Add):
            self.module_method(before, "extend", [value], {}, node.value)
            return
        self.assign(node.target, self.bounded(self.binary(node.op, before, value, node), node.lineno), env)

    def assign(self, target: ast.expr, value: Value, env: Env) -> None:
        if isinstance(target, ast.Name):
            env.names[target.id] = value
            if isinstance(value, Module) and not self.strict:
                value.label = value.label or target.id
                self.made.append((target.id, value))
        elif isinstance(target, (ast.Tuple, ast.List)):
            self._unpack(target.elts, value, env, target)
        elif isinstance(target, ast.Attribute):
            self.set_attribute(self.eval(target.value, env), target.attr, value, target)
        elif isinstance(target, ast.Subscript):
            self._set_item(self.eval(target.value, env), self.eval(target.slice, env), value, target)
        else:
            raise Refusal(target.lineno, Message("not understood: {code}", code=short(ast.unparse(target))))

    def _unpack(self, targets: list[ast.expr], value: Value, env: Env, node: ast.expr) -> None:
        if isinstance(value, Unknown):
            values: list[Value] = [value] * len(targets)
        else:
            values = self.iterate(value, node)
        star = next((number for number, target in enumerate(targets) if isinstance(target, ast.Starred)), None)
        if star is not None:
            after = len(targets) - star - 1
            values = [*values[:star], values[star : len(values) - after], *values[len(values) - after :]]
        if len(values) != len(targets):
            raise Refusal(node.lineno, Message("this does not work in Python either: {code}", code=short(ast.unparse(node))))  # fmt: skip
        for target, one in zip(targets, values):
            self.assign(target.value if isinstance(target, ast.Starred) else target, one, env)

    def _set_item(self, holder: Value, index: Value, value: Value, node: ast.Subscript) -> None:
        if isinstance(holder, Module):
            self.set_child(holder, index, value, node)
        elif isinstance(holder, (list, dict)) and not isinstance(index, (Unknown, slice)):
            try:
                holder[index] = self.light(value, node.lineno)
            except (LookupError, TypeError) as error:
                raise Refusal(node.lineno, Message("this does not work in Python either: {code}", code=short(ast.unparse(node)))) from error  # fmt: skip
        elif isinstance(holder, (Unknown, Lib)) and not self.strict:
            self.unknown(node)
        else:
            raise Refusal(node.lineno, Message("not understood: {code}", code=short(ast.unparse(node))))

    def _do_delete(self, node: ast.Delete, env: Env) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                env.names.pop(target.id, None)
            elif isinstance(target, ast.Attribute) and isinstance(owner := self.eval(target.value, env), Module):
                owner.names.pop(target.attr, None)
                owner.children.pop(target.attr, None)
            else:
                raise Refusal(node.lineno, Message("not understood: {code}", code=short(ast.unparse(node))))

    def _do_pass(self, node: ast.Pass, env: Env) -> None:
        pass

    def _do_return(self, node: ast.Return, env: Env) -> None:
        if not self.calls:
            raise Refusal(node.lineno, Message("this does not work in Python either: {code}", code="return"))
        raise _Return(self.eval(node.value, env) if node.value else None)

    def _do_break(self, node: ast.Break, env: Env) -> None:
        self._in_loop(node)
        raise _Break

    def _do_continue(self, node: ast.Continue, env: Env) -> None:
        self._in_loop(node)
        raise _Continue

    def _in_loop(self, node: ast.stmt) -> None:
        if not self.loops:
            raise Refusal(
                node.lineno, Message("this does not work in Python either: {code}", code=short(ast.unparse(node)))
            )

    def _do_global(self, node: ast.Global, env: Env) -> None:
        for name in node.names:
            env.names.setdefault(name, env.module.names.get(name))

    def _do_assert(self, node: ast.Assert, env: Env) -> None:
        value = self.eval(node.test, env)
        if not isinstance(value, Unknown) and not isinstance(value, Tensor) and not self.truth(value, node.test):
            raise Refusal(
                node.lineno, Message("the code's own check fails here: {code}", code=short(ast.unparse(node)))
            )

    def _do_raise(self, node: ast.Raise, env: Env) -> None:
        raise Refusal(node.lineno, Message("the code stops itself here: {code}", code=short(ast.unparse(node))))

    # ------------------------------------------------------------------------------------------------ those with a body
    def _do_if(self, node: ast.If, env: Env) -> None:
        self.block(node.body if self.truth(self.eval(node.test, env), node.test) else node.orelse, env)

    def _do_for(self, node: ast.For, env: Env) -> None:
        start = self.steps
        for value in self.iterate(self.eval(node.iter, env), node.iter):
            self._loop(node, start)
            self.assign(node.target, value, env)
            if not self._round(node.body, env):
                return
        self.block(node.orelse, env)

    def _do_while(self, node: ast.While, env: Env) -> None:
        start = self.steps
        while self.truth(self.eval(node.test, env), node.test):
            self._loop(node, start)
            if not self._round(node.body, env):
                return

    def _round(self, body: list[ast.stmt], env: Env) -> bool:
        """Carry out a loop's body once; return whether it goes on."""
        self.loops += 1
        try:
            self.block(body, env)
        except _Break:
            return False
        except _Continue:
            return True
        finally:
            self.loops -= 1
        return True

    def _loop(self, node: ast.For | ast.While, start: int) -> None:
        """Count one round; outside the network, a loop that goes on and on trains rather than builds."""
        self.tick(node.lineno)
        if not self.strict and self.steps - start > MAX_LOOP:
            raise Refusal(node.lineno, Message("not understood: {code}", code=short(ast.unparse(node))))

    def _do_with(self, node: ast.With, env: Env) -> None:
        for item in node.items:
            value = self.eval(item.context_expr, env)
            if item.optional_vars is not None:
                self.assign(item.optional_vars, value, env)
        self.block(node.body, env)

    def _do_try(self, node: ast.Try, env: Env) -> None:
        self.block(node.body, env)
        self.block(node.orelse, env)
        self.block(node.finalbody, env)
        if any(
            isinstance(part, (ast.Import, ast.ImportFrom)) for part in node.body
        ):  # who knows whether it is installed
            for part in [part for handler in node.handlers for part in ast.walk(handler)]:
                if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                    env.names[part.id] = self.unknown(node, f"try: ... {part.id} = ...")

    # ------------------------------------------------------------------------------------------------ definitions
    def _do_import(self, node: ast.Import, env: Env) -> None:
        for alias in node.names:
            name = alias.name if alias.asname else alias.name.split(".")[0]
            env.names[alias.asname or name] = self.library(name)

    def _do_importfrom(self, node: ast.ImportFrom, env: Env) -> None:
        for alias in node.names:
            path = f"{node.module or ''}.{alias.name}" if not node.level else f"elsewhere.{alias.name}"
            if alias.name == "*":
                self._import_all(node, env)
                continue
            env.names[alias.asname or alias.name] = self.library(path)

    def _import_all(self, node: ast.ImportFrom, env: Env) -> None:
        from cnnlab.source_in.keras_layers import KERAS_LAYERS
        from cnnlab.source_in.torch_layers import TORCH_LAYERS

        path = self.library(f"{node.module}.X").path
        if path == "torch.nn.X":
            env.names.update(
                {name: Lib(f"torch.nn.{name}") for name in [*TORCH_LAYERS, "Module", "Sequential", "ModuleList"]}
            )
        elif path == "keras.X":
            env.names.update({name: Lib(f"keras.{name}") for name in [*KERAS_LAYERS, "Sequential", "Model", "Input"]})
        else:
            self.ignore(node)

    def _do_functiondef(self, node: ast.FunctionDef, env: Env) -> None:
        env.names[node.name] = self._decorated(self.function(node, env), node, env)

    def _decorated(self, function: Function, node: ast.FunctionDef, env: Env) -> Value:
        for decorator in node.decorator_list:
            value = self.eval(decorator.func if isinstance(decorator, ast.Call) else decorator, env)
            path = value.path if isinstance(value, Lib) else ""
            if path in ("builtins.staticmethod", "builtins.classmethod", "builtins.property"):
                function.kind = path.split(".")[1]
            elif not path.startswith(_HARMLESS):
                return self.unknown(node, f"@{short(ast.unparse(decorator))}")
        return function

    def _do_classdef(self, node: ast.ClassDef, env: Env) -> None:
        bases = [self.eval(base, env) for base in node.bases]
        inner = Env(env)
        strict, self.strict = self.strict, 0
        self.block(node.body, inner)
        self.strict = strict
        cls = Class(node.name, node, [base for base in bases if isinstance(base, (Class, Lib))], inner.names)
        for value in inner.names.values():
            if isinstance(value, Function) and value.node in node.body:
                value.owner, value.env = cls, env
        plain = all(keyword.arg == "metaclass" and "ABCMeta" in ast.unparse(keyword.value) for keyword in node.keywords)
        env.names[node.name] = (
            self._decorated_class(cls, node, env)
            if plain
            else self.unknown(
                node, cause=Refusal(node.lineno, Message("not understood: {code}", code=short(ast.unparse(node))))
            )
        )

    def _decorated_class(self, cls: Class, node: ast.ClassDef, env: Env) -> Value:
        if NAMED_TUPLE in cls.library_bases():
            cls.fields, cls.ordered = declared(node), True
        for decorator in node.decorator_list:
            value = self.eval(decorator.func if isinstance(decorator, ast.Call) else decorator, env)
            if isinstance(value, Lib) and value.path == "dataclasses.dataclass":
                cls.fields = declared(node)
            elif not isinstance(value, Lib) or value.path.startswith(("dataclasses.", "builtins.", "elsewhere.")):
                return self.unknown(node, f"@{short(ast.unparse(decorator))}")
        return cls


def _last_name(function: ast.expr) -> str:
    return (
        function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""
    )


def _loaded(target: ast.Name | ast.Attribute | ast.Subscript) -> ast.expr:
    """Return the expression that reads what an assignment writes."""
    if isinstance(target, ast.Name):
        read: ast.expr = ast.Name(target.id, ast.Load())
    elif isinstance(target, ast.Attribute):
        read = ast.Attribute(target.value, target.attr, ast.Load())
    else:
        read = ast.Subscript(target.value, target.slice, ast.Load())
    return ast.copy_location(read, target)


def is_network_class(cls: Class) -> bool:
    """Return whether a class of the source is derived from a library's module."""
    return bool(cls.library_bases() & set(MODULE_BASES))
