"""Android's classes as Java sources to compile against: signatures without bodies.

The types come from published Python stubs of Android's API, and what those leave out (what is an interface or
abstract, the values of constants, the API level of each symbol) from published TypeScript declarations of the same.
Only the classes that the app names, those that their members mention, and the superclasses of both are written.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .declarations import Symbol

_PRIMITIVES = {
    f"java.j{name}": name for name in ("int", "long", "float", "double", "boolean", "byte", "short", "char")
}
_PYTHON = {"int": "int", "bool": "boolean", "float": "float", "str": "java.lang.String"}
_ARRAYS = {
    f"java.chaquopy.JavaArrayJ{name.capitalize()}": f"{name}[]"
    for name in ("int", "long", "float", "double", "boolean", "byte", "short", "char")
}
_BOXES = {"int": "java.lang.Integer", "float": "java.lang.Float", "boolean": "java.lang.Boolean"}
_OF_EVERY_OBJECT = frozenset(
    {"equals", "hashCode", "toString", "finalize", "getClass", "notify", "notifyAll", "wait", "clone"}
)
_ANNOTATION = "java.lang.annotation.Annotation"

# Generic in Android, which the Python stubs do not say.
_SIGNATURES = {"findViewById": "public <T extends android.view.View> T findViewById(int id)"}


@dataclass(frozen=True)
class Type:
    java: str
    is_nullable: bool = False


class Stubs:
    """The Python stubs below ``root``, with what ``symbols`` adds to them."""

    def __init__(self, root: Path, symbols: dict[str, Symbol]) -> None:
        self.root, self.symbols = root, symbols
        self.wanted: set[str] = set()

    def write(self, names: Iterable[str], target: Path) -> list[Path]:
        """Sources of the top-level classes ``names`` and of what they need; KeyError for one that Android has not."""
        self.wanted = set()
        roots = set(names)
        self._want(roots)
        mentioned = {name for root in roots for name in self._mentioned(root)}
        self._want(mentioned)
        paths = []
        for name in sorted(self.wanted):
            package, _, short = name.rpartition(".")
            path = target / Path(*package.split(".")) / f"{short}.java"
            path.parent.mkdir(parents=True, exist_ok=True)
            body = self._class(self._find(name), package, package, {})
            path.write_text(f"package {package};\n\n{body}", "utf-8")
            paths.append(path)
        return paths

    def _want(self, names: Iterable[str]) -> None:
        """With their superclasses, and theirs."""
        for name in names:
            if name in self.wanted:
                continue
            package = name.rpartition(".")[0]
            self.wanted.add(name)
            nested = [node for node in ast.walk(self._find(name)) if isinstance(node, ast.ClassDef)]
            bases = (self._qualified(_dotted(base), package) for node in nested for base in node.bases)
            self._want({top for base in bases if (top := self._top(base)) is not None})

    def _mentioned(self, name: str) -> Iterator[str]:
        package = name.rpartition(".")[0]
        for node in ast.walk(self._find(name)):
            if isinstance(node, (ast.Attribute, ast.Name)):
                top = self._top(self._qualified(_dotted(node), package))
                if top is not None:
                    yield top

    @cache  # noqa: B019 - as long as the stubs
    def _module(self, package: str) -> dict[str, ast.ClassDef]:
        head, *rest = package.split(".")
        path = self.root.joinpath(f"{head}-stubs", *rest, "__init__.pyi")
        if not path.exists():
            return {}
        tree = ast.parse(path.read_text("utf-8"))
        return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}

    def _find(self, name: str) -> ast.ClassDef:
        package, _, short = name.rpartition(".")
        return self._module(package)[short]

    def _qualified(self, name: str, package: str) -> str:
        return name if name.startswith(("android.", "java.", "javax.", "dalvik.")) else f"{package}.{name}"

    @cache  # noqa: B019
    def _top(self, name: str) -> str | None:
        """The top-level class of Android that ``name`` is or lies in."""
        if not name.startswith("android."):
            return None
        parts = name.split(".")
        for count in range(2, len(parts) + 1):
            package, short = ".".join(parts[: count - 1]), parts[count - 1]
            if short in self._module(package):
                return f"{package}.{short}"
        return None

    def _class(
        self, node: ast.ClassDef, package: str, outer: str, generics: dict[str, str], depth: int = 0
    ) -> str:
        full = f"{outer}.{node.name}"
        symbol = self.symbols.get(full, Symbol(None))
        bases = [self._qualified(_dotted(base), package) for base in node.bases]
        static = "static " if depth else ""
        if "java.lang.Enum" in bases:
            values = [item.target.id for item in node.body if isinstance(item, ast.AnnAssign)]  # type: ignore[union-attr]
            return f"public {static}enum {node.name} {{ {', '.join(values)} }}\n"
        if _ANNOTATION in bases:
            return f"public {static}@interface {node.name} {{ String[] value() default {{}}; }}\n"
        own = {
            _dotted(variable): _short(variable)
            for base in node.bases
            for variable in _generic_variables(base)
        }
        generics = {**generics, **own}
        kind = "interface" if symbol.is_interface else "abstract class" if symbol.is_abstract else "class"
        head = f"public {static}{kind} {node.name}" + (f"<{', '.join(own.values())}>" if own else "")
        lines = [head + self._extends(bases, symbol) + " {"]
        seen: set[str] = set()
        for item in node.body:
            if isinstance(item, ast.ClassDef):
                lines.append(self._class(item, package, full, generics, depth + 1))
            elif isinstance(item, ast.AnnAssign):
                lines += self._field(item, package, symbol, generics)
            elif isinstance(item, ast.FunctionDef):
                lines += self._method(item, node, package, symbol, generics, seen)
        if not symbol.is_interface and f"{node.name}()" not in seen:
            lines.append(f"protected {node.name}() {{ }}")  # for subclasses that are stubs
        if "java.lang.AutoCloseable" in bases and "close()" not in seen:
            lines.append("public void close() { }")
        return "\n".join([*lines, "}\n"])

    def _extends(self, bases: list[str], symbol: Symbol) -> str:
        """Interfaces are left out, for whose methods there would have to be bodies; but for ``use``, AutoCloseable."""
        if symbol.is_interface:
            return ""
        closes = " implements AutoCloseable" if "java.lang.AutoCloseable" in bases else ""
        for base in bases:
            top = self._top(base)
            is_class = base.startswith("java.lang.") and base.endswith(("Exception", "Error", "Thread"))
            if is_class or (top in self.wanted and not self.symbols.get(base, Symbol(None)).is_interface):
                return f" extends {base}{closes}"
        return closes

    def _field(
        self, item: ast.AnnAssign, package: str, symbol: Symbol, generics: dict[str, str]
    ) -> list[str]:
        name = item.target.id  # type: ignore[union-attr]
        annotation, static = item.annotation, ""
        if isinstance(annotation, ast.Subscript) and _dotted(annotation.value) == "typing.ClassVar":
            annotation, static = annotation.slice, "static "
        found = self._type(annotation, package, generics)
        if found is None:
            return []
        value = symbol.constants.get(name)
        if value is not None and static:
            if found.java == "int" and abs(int(value)) >= 2**31:  # Python has one type of whole numbers
                return [f"public static final long {name} = {value}L;"]
            return [f"public static final {found.java} {name} = ({found.java}) {value};"]
        is_unset = static and not symbol.is_interface
        return [f"public {static}{found.java} {name}" + (";" if is_unset or not static else " = null;")]

    def _method(
        self, item: ast.FunctionDef, owner: ast.ClassDef, package: str, symbol: Symbol, generics: dict[str, str],
        seen: set[str],
    ) -> list[str]:  # fmt: skip
        arguments = [each for each in (*item.args.posonlyargs, *item.args.args) if each.arg != "self"]
        variables = {name: _short_name(name) for each in ast.walk(item) if isinstance(each, ast.Name)
                     for name in (each.id,) if name.startswith("_") and name not in generics}  # fmt: skip
        known = {**generics, **variables}
        types = [self._type(each.annotation, package, known) for each in arguments]
        rest = self._type(item.args.vararg.annotation, package, known) if item.args.vararg else None
        is_constructor = item.name == "__init__"
        returned = self._type(item.returns, package, known)
        if (
            None in types
            or returned is None
            or (item.args.vararg and rest is None)
            or item.name in _OF_EVERY_OBJECT
        ):
            return []
        parameters = [f"{_nullable(each)}{each.java} p{place}" for place, each in enumerate(types) if each]
        parameters += [f"{rest.java}... rest"] if rest else []
        name = owner.name if is_constructor else item.name
        key = f"{name}({', '.join(each.java for each in types if each)}{'...' if rest else ''})"
        if key in seen or (item.name.startswith("__") and not is_constructor):
            return []
        seen.add(key)
        if item.name in _SIGNATURES:
            return [f"{_SIGNATURES[item.name]} {{ throw new RuntimeException(); }}"]
        body = " { throw new RuntimeException(); }"
        if is_constructor:
            return [f"public {name}({', '.join(parameters)}){body}"]
        static = any(_dotted(decorator) == "staticmethod" for decorator in item.decorator_list)
        generic = f"<{', '.join(sorted(set(variables.values())))}> " if variables else ""
        head = f"{generic}{_nullable(returned)}{returned.java} {name}({', '.join(parameters)})"
        if symbol.is_interface:
            return [f"static {head}{body}" if static else f"{head};"]
        return [f"public {'static ' if static else ''}{head}{body}"]

    def _type(self, node: ast.expr | None, package: str, generics: dict[str, str]) -> Type | None:
        """None for what cannot be said with the classes that are wanted."""
        if node is None:
            return None
        if isinstance(node, ast.Constant):
            return Type("void") if node.value is None else None
        if isinstance(node, ast.BinOp):
            return self._union(node, package, generics)
        if isinstance(node, ast.Subscript):
            return self._generic(node, package, generics)
        name = _dotted(node)
        if name in _PRIMITIVES:
            return Type(_PRIMITIVES[name])
        if name in _PYTHON or name in _ARRAYS:
            return Type(_PYTHON.get(name) or _ARRAYS[name])
        if name in generics:
            return Type(generics[name])
        name = self._qualified(name, package)
        if name.startswith(("java.", "javax.")):
            return None if name.startswith("java.chaquopy") else Type(name)
        return Type(name) if self._top(name) in self.wanted else None

    def _union(self, node: ast.BinOp, package: str, generics: dict[str, str]) -> Type | None:
        """Chaquopy's way of saying which Python values stand for a Java type."""
        parts = list(_alternatives(node))
        names = [_dotted(part) for part in parts]
        is_nullable = any(isinstance(part, ast.Constant) for part in parts)
        for name in names:
            if name in _PRIMITIVES:
                return Type(_PRIMITIVES[name])
        others = [part for part, name in zip(parts, names, strict=True) if not isinstance(part, ast.Constant)]
        java = [part for part in others if _dotted(part).startswith("java.")]
        found = self._type((java or others)[0], package, generics)
        if found is None:
            return None
        return Type(_BOXES.get(found.java, found.java) if is_nullable else found.java, is_nullable)

    def _generic(self, node: ast.Subscript, package: str, generics: dict[str, str]) -> Type | None:
        base = _dotted(node.value)
        items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        arguments = [self._type(item, package, generics) for item in items]
        if any(argument is None for argument in arguments):
            return None
        names = [_BOXES.get(argument.java, argument.java) for argument in arguments if argument]
        if base == "java.chaquopy.JavaArray":
            return Type(f"{names[0]}[]")
        # Which is how the stubs say that it may be anything.
        names = ["?" if name == "java.lang.Object" else name for name in names]
        outer = (
            Type("java.lang.Class") if base == "typing.Type" else self._type(node.value, package, generics)
        )
        return Type(f"{outer.java}<{', '.join(names)}>") if outer else None


def _dotted(node: ast.AST) -> str:
    return ast.unparse(node.value if isinstance(node, ast.Subscript) else node)


def _alternatives(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.BinOp):
        yield from _alternatives(node.left)
        yield from _alternatives(node.right)
    else:
        yield node


def _generic_variables(base: ast.expr) -> Iterator[ast.expr]:
    if isinstance(base, ast.Subscript) and _dotted(base.value) == "typing.Generic":
        yield from base.slice.elts if isinstance(base.slice, ast.Tuple) else [base.slice]


def _short(node: ast.AST) -> str:
    return _short_name(_dotted(node))


def _short_name(name: str) -> str:
    return name.rpartition("__")[2]


def _nullable(found: Type) -> str:
    return "@org.jetbrains.annotations.Nullable " if found.is_nullable else ""
