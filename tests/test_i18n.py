"""Every visible word exists in English and Chinese, once, whole, and in the same words."""

import ast
import importlib
import pkgutil
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pydantic
import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from markdown_it import MarkdownIt

import cnnlab
from cnnlab import errors
from cnnlab.errors import ShapeError
from cnnlab.home import ASSETS
from cnnlab.i18n import LANGUAGES, Message, _, best_language, catalogue, set_language
from tests.wording import english_left, without_code

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted([*ROOT.glob("cnnlab/**/*.py"), *ROOT.glob("pages/**/*.py"), ROOT / "app.py"])
FOLDER = ASSETS / "locale" / "zh_CN" / "LC_MESSAGES"

# English word in an id -> the one Chinese word for it; a translation may also keep the English word where it is a
# name in code (`stride=2`). Right of the bar: words that mean the same and are therefore not used anywhere.
TERMS = {
    r"kernels?": "卷积核 | 卷积内核 核函数 滤波器 过滤器",
    r"strides?": "步幅 | 步长 跨度 跨步",
    r"padding": "填充 | 填补 补边 边距",
    r"receptive fields?": "感受野 | 感受域 接受域 感知野",
    r"feature maps?": "特征图 | 特征映射 特征地图",
    r"pooling": "池化 | 汇聚层 下采样层",
    r"dense layers?": "全连接层 | 稠密层 密集层 全链接",
    r"learning rate": "学习率 | 学习速率 学习速度",
    r"batch size": "批量大小 | 批大小 批次大小 批尺寸",
    r"saliency": "显著 | 显著性图 凸显",
    r"attributions?": "归因 | 属性图 贡献图",
    r"weights?": "权重 | 权值",
    r"bias": "偏置 | 偏置值 偏倚",
    r"channels?": "通道 | 信道 频道",
    r"loss": "损失 | 亏损 代价函数",
    r"accuracy": "准确率 | 正确率 准确度 精确度",
    r"training set": "训练集 | 训练集合",
    r"validation set": "验证集 | 校验集 确认集",
    r"test set": "测试集 | 检验集",
    r"epochs?": "轮 | 训练周期 时期 世代 纪元",
    r"parameters?": "参数 | 参量",
    r"multiply-adds?": "乘加 | 乘累加",
    r"dropout": "随机失活 | 丢弃法 丢弃层 辍学 退出层",
    r"batch norm(?:alisation)?": "批归一化 | 批标准化 批规范化 批量归一化",
    r"flatten": "展平 | 扁平化 拉平 压平",
    r"recipes?": "配方 | 食谱 菜谱",
    r"canvas": "画布 | 画板",
}


def keywords() -> set[str]:
    """Return the calls whose first argument is an id: the markers, and every error of the lab wherever defined."""
    found = {name for name in vars(errors) if name.endswith("Error")}
    classes = [node for path in SOURCES for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef)]
    size = 0
    while size < len(found):  # children of children
        size = len(found)
        found |= {c.name for c in classes if {ast.unparse(base).split(".")[-1] for base in c.bases} & found}
    return found | {"_", "N_", "Message", "Formula", "translate"}


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def marked_calls() -> Iterator[tuple[str, ast.Call]]:
    """Yield every call with an id, nested ones too (which babel's own extractor passes over)."""
    names = keywords()
    for path in SOURCES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and node.args and ast.unparse(node.func).split(".")[-1] in names:
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def literals(value: ast.expr) -> list[str]:
    """Return the strings that ``value`` may be: itself, or both sides of ``a if test else b``."""
    if isinstance(value, ast.IfExp):
        return literals(value.body) + literals(value.orelse)
    return [value.value] if isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value else []


def marked_ids() -> dict[str, str]:
    """Return ``{id: where it stands}`` for the whole source."""
    return {id: where for where, call in marked_calls() for id in literals(call.args[0])}


def catalogues() -> dict[str, Catalog]:
    found = {}
    for path in sorted(FOLDER.glob("*.po")):
        with path.open("rb") as file:
            found[path.name] = read_po(file, locale="zh_CN", abort_invalid=True)
    return found


def entries() -> list[tuple[str, str, str]]:
    """Return ``(file, id, Chinese)`` of every entry of every catalogue."""
    return [(name, str(m.id), str(m.string or "")) for name, c in catalogues().items() for m in c if m.id]


def places(template: str) -> set[str]:
    return {field for _text, field, _spec, _conversion in Formatter().parse(template) if field is not None}


def report(rows: list[str]) -> str:
    return f"{len(rows)}:\n" + "\n".join(rows[:60])


# ---------------------------------------------------------------------------------------------- the source
def test_an_id_is_one_literal_sentence() -> None:
    kinds = (ast.JoinedStr, ast.BinOp)
    made = [where for where, call in marked_calls() if isinstance(call.args[0], kinds)]
    assert not made, "ids put together while running, which no catalogue can hold: " + report(made)


def test_the_places_of_an_id_are_filled_by_its_call() -> None:
    wrong = []
    for where, call in marked_calls():
        first, name = call.args[0], ast.unparse(call.func).split(".")[-1]
        if not (isinstance(first, ast.Constant) and isinstance(first.value, str)) or name in {
            "N_",
            "translate",
        }:
            continue
        given = {keyword.arg for keyword in call.keywords}
        if None not in given and places(first.value) - given and given:
            wrong.append(f"{where}: {first.value!r} has no value for {sorted(places(first.value) - given)}")
        if not given and places(first.value) and name == "_":
            wrong.append(f"{where}: {first.value!r} is shown with its places empty")
    assert not wrong, report(wrong)


LABELLED = set(
    "title header subheader write markdown caption text info warning error success button popover expander checkbox "
    "toggle radio selectbox multiselect slider select_slider number_input text_input text_area file_uploader pills "
    "segmented_control metric download_button link_button page_link form_submit_button tabs toast spinner status "
    "progress dialog".split()
)
SHOWN = {"label", "help", "placeholder", "body", "caption", "title"}
WORD = re.compile(r"[A-Za-z]{2,}|[\u4e00-\u9fff]")
NO_WORDS = re.compile(
    r"<[^>]*>|:[\w/-]+:|`[^`]*`|\b[a-z-]+:\s*[^;]*;|:\w+(?:-\w+)?\[|[\w/]+\.py$|CNN Lab|\b(?:PNG|JSON|EN)\b"
)


def test_pages_show_no_words_past_the_catalogue() -> None:
    bare = []
    for path in SOURCES:
        if path.parent.name != "pages" and path.name != "app.py":
            continue
        for node in ast.walk(tree(path)):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if node.func.attr not in LABELLED or ast.unparse(node.func.value) not in {"st", "st.sidebar"}:
                continue
            shown = [*node.args[:1], *(k.value for k in node.keywords if k.arg in SHOWN)]
            for value in shown:
                parts = value.values if isinstance(value, ast.JoinedStr) else [value]
                bare += [
                    f"{path.relative_to(ROOT)}:{node.lineno}: {part.value!r}"
                    for part in parts
                    if isinstance(part, ast.Constant)
                    and isinstance(part.value, str)
                    and WORD.search(NO_WORDS.sub("", part.value))
                ]
    assert not bare, report(bare)


# ---------------------------------------------------------------------------------------------- the catalogues
def test_every_id_is_translated() -> None:
    known = {id for _file, id, chinese in entries() if chinese}
    missing = [f"{where}: {id!r}" for id, where in marked_ids().items() if id not in known and WORD.search(id)]
    assert not missing, report(sorted(missing))


def test_no_entry_is_empty_fuzzy_or_obsolete() -> None:
    wrong = [f"{file}: {id!r} is empty" for file, id, chinese in entries() if not chinese.strip()]
    used = marked_ids()
    wrong += [f"{file}: {id!r} is used nowhere" for file, id, _chinese in entries() if id not in used]
    for file, found in catalogues().items():
        wrong += [f"{file}: {m.id!r} is fuzzy" for m in found if m.id and m.fuzzy]
        wrong += [f"{file}: {id!r} is obsolete" for id in found.obsolete]
    assert not wrong, report(wrong)


def test_an_id_has_one_translation() -> None:
    found: dict[str, set[str]] = defaultdict(set)
    for _file, id, chinese in entries():
        found[id].add(chinese)
    for path in FOLDER.glob("*.po"):  # babel keeps the last of two entries in one file
        ids = re.findall(r'^msgid "(.+)"$', path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        found.update({id: {"twice in", path.name} for id in ids if ids.count(id) > 1})
    two = [f"{id!r}: {sorted(ways)}" for id, ways in found.items() if len(ways) > 1]
    assert not two, report(two)


def test_a_translation_has_the_places_of_its_id() -> None:
    wrong = [
        f"{file}: {id!r} has {sorted(places(id))}, its translation {sorted(places(chinese))}"
        for file, id, chinese in entries()
        if places(id) != places(chinese)
    ]
    assert not wrong, report(wrong)


def test_chinese_is_written_in_chinese() -> None:
    left = [
        f"{file}: {sorted(english_left(chinese))} in {chinese!r}"
        for file, id, chinese in entries()
        if english_left(chinese)
    ]
    assert not left, report(left)


def chinese_texts() -> list[tuple[str, str]]:
    lessons = (ASSETS / "lessons" / "zh_CN").glob("*.md")
    return [
        *((f"{file}: {id!r}", chinese) for file, id, chinese in entries()),
        *((path.name, path.read_text(encoding="utf-8")) for path in lessons),
    ]


def test_bold_words_are_bold_in_chinese() -> None:
    """CommonMark closes no ``**`` between a full stop or colon and a word, and Chinese sets no space there."""
    left = []
    for where, chinese in chinese_texts():
        filled = re.sub(r"\{\w*[^{}]*\}", "字", chinese)
        if "**" in re.sub(r"<code>.*?</code>", "", MarkdownIt().render(filled), flags=re.DOTALL):
            left.append(f"{where}: {chinese!r}")
    assert not left, report(left)


@pytest.mark.parametrize("english", TERMS)
def test_a_term_has_one_word(english: str) -> None:
    right, others = (part.strip() for part in TERMS[english].split("|"))
    wrong = [
        f"{where}: {other} in {chinese[:80]!r}; the word is {right}"
        for where, chinese in chinese_texts()
        for other in others.split()
        if other in chinese
    ]
    word = re.compile(rf"\b{english}\b", flags=re.IGNORECASE)
    for file, id, chinese in entries():
        if word.search(without_code(id)) and right not in chinese and not word.search(chinese):
            wrong.append(f"{file}: {id!r} speaks of {english}, but {chinese!r} not of {right}")
    assert not wrong, report(wrong)


# ---------------------------------------------------------------------------------------------- what the lab holds
def specs() -> list[type[pydantic.BaseModel]]:
    for module in pkgutil.walk_packages(cnnlab.__path__, "cnnlab."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found, queue = [], [pydantic.BaseModel]
    while queue:
        for child in queue.pop().__subclasses__():
            queue.append(child)
            if child.__module__.startswith("cnnlab."):
                found.append(child)
    return sorted(found, key=lambda spec: (spec.__module__, spec.__name__))


def test_every_field_with_a_description_has_it_in_both_languages() -> None:
    described = [
        (f"{spec.__name__}.{name}", text)
        for spec in specs()
        for name, field in spec.model_fields.items()
        for text in (field.title, field.description)
        if text
    ]
    assert len(described) > 20
    missing = [f"{where}: {text!r}" for where, text in described if text not in catalogue("zh_CN")]
    assert not missing, report(missing)


def headings(path: Path) -> list[int]:
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return [len(level) for level in re.findall(r"^(#+) ", text, flags=re.MULTILINE)]


def test_lessons_exist_in_every_language_with_the_same_headings() -> None:
    folders = {code: ASSETS / "lessons" / code for code in LANGUAGES}
    names = {code: {path.name for path in folder.glob("*.md")} for code, folder in folders.items()}
    assert names["en"], "there are no lessons"
    assert all(found == names["en"] for found in names.values()), names
    for name in names["en"]:
        shapes = {code: headings(folder / name) for code, folder in folders.items()}
        assert all(shape == shapes["en"] for shape in shapes.values()), f"{name}: {shapes}"


def test_chinese_lessons_are_written_in_chinese() -> None:
    left = []
    for path in sorted((ASSETS / "lessons" / "zh_CN").glob("*.md")):
        text = re.sub(r"（[A-Za-z][A-Za-z -]*）|《[^》]*》|\*[A-Z][^*]*\*", "", path.read_text(encoding="utf-8"))
        left += [f"{path.name}: {word}" for word in sorted(english_left(text))]
    assert not left, report(left)


# ---------------------------------------------------------------------------------------------- the machinery
def test_errors_and_messages_speak_the_current_language() -> None:
    id, chinese = next((id, chinese) for _file, id, chinese in entries() if not places(id))
    set_language("zh_CN")
    assert _(id) == Message(id).text() == ShapeError(id).text() == chinese
    assert str(Message(id)) == str(ShapeError(id)) == id
    assert ShapeError("{inner}", inner=Message(id)).text() == chinese
    set_language("en")
    assert _(id) == ShapeError(id).text() == id


@pytest.mark.parametrize(
    ("wanted", "spoken"),
    [
        (["zh-CN"], "zh_CN"),
        (["zh-Hans-CN", "en"], "zh_CN"),
        (["zh"], "zh_CN"),
        (["de-DE", "zh-TW"], "zh_CN"),
        (["en-GB"], "en"),
        (["de"], "en"),
        ([None, "", "??"], "en"),
    ],
)
def test_the_browser_chooses_a_language_that_the_lab_speaks(wanted: list[str], spoken: str) -> None:
    assert best_language(wanted) == spoken


def test_chinese_prose_is_shown_without_spaces_at_its_line_ends() -> None:
    from cnnlab.lessons import _unbroken

    text = "## 词\n一行，\n又一行\n\n- 甲\n- 乙\n\nReLU\n激活，见\nReLU\n\n### 头\n正文。\n“再来”\n完\n"
    assert _unbroken(text) == "## 词\n一行，又一行\n\n- 甲\n- 乙\n\nReLU\n激活，见\nReLU\n\n### 头\n正文。“再来”完\n"
