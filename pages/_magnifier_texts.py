"""The number view's words, with their places left open; the browser fills them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnlab.i18n import _
from pages import _session

if TYPE_CHECKING:
    from cnnlab.architecture import Address


def title(unit: Address, kind: str) -> str:
    """Return what is looked at, and which kind of layer it is of."""
    if unit.layer == "input":
        return _("What the network receives, channel {index}", index=unit.index[0])
    if unit.layer == "image":
        return _("The picture's own bytes, channel {index}", index=unit.index[0])
    if len(unit.index) == 3:
        return _("{layer}[{index}] · {kind}", layer=unit.layer, index=unit.index[0], kind=kind)
    return _("{layer} · {kind}", layer=unit.layer, kind=kind)


def remark(kind: str, training: bool, batch: int) -> str:
    """Return a second sentence where a kind of layer needs one; empty otherwise."""
    if kind == "BatchNorm2d":
        told = (
            _("Mean {mean} and variance {var} are those of this batch of {batch} images.", mean="{mean}", var="{var}", batch=batch)
            if training
            else _("Mean {mean} and variance {var} are the running ones, kept from training.", mean="{mean}", var="{var}")
        )  # fmt: skip
        return " ".join((told, _norm()))
    if kind in ("GroupNorm", "LayerNorm"):
        whose = (
            _("Mean {mean} and variance {var} are those of the channel's group in this picture.", mean="{mean}", var="{var}")
            if kind == "GroupNorm"
            else _("Mean {mean} and variance {var} are those of all numbers of this picture here.", mean="{mean}", var="{var}")
        )  # fmt: skip
        return " ".join((whose, _norm()))
    if kind == "Softmax":
        return _("m is the largest score, S the sum of e^(x − m) over all scores.")
    if kind == "LocalResponseNorm":
        return _("The factor becomes smaller where the neighbouring channels are strong at the same place.")
    return ""


def _norm() -> str:
    return _("The factor is γ / √(variance + ε), what is added is β − mean · factor; γ and β were learned.")


def texts() -> dict[str, str | list[str]]:
    """Return all words of the component."""
    return {**_pictures(), **_sentences(), **_tables(), **_gradients()}


def finish(data: dict[str, Any], title: str, key: str) -> None:
    """Add to the component's ``data`` its title, all of its words, and what tells it from other data."""
    data["title"], data["text"] = title, texts()
    data["key"] = f"{key}|{_session.dark()}|{_session.language()}"


def _pictures() -> dict[str, str]:
    return {
        "trail": _("The way down"),
        "start": _("Start at the probability"),
        "input_keys": _("{name}, which goes in; move over it, or press the arrow keys, to see which numbers it reaches", name="{name}"),
        "output_keys": _("The map that comes out; move over it, or press the arrow keys, to see how a number is made"),
        "kernel": _("Kernel for {name}", name="{name}"),
        "kernel_short": _("kernel"),
        "partial": _("What {name} and its kernel make together", name="{name}"),
        "more": _("{count} more of {rest} others", count="{count}", rest="{rest}"),
        "drawn": _(
            "Drawn: the {count} of {all} maps that add most to {map}, or take most from it. The sentence names those of the number pointed at.",
            count="{count}", all="{all}", map="{map}",
        ),
        "drawn_all": _("Drawn: all {all} maps, first those that add most to {map}, or take most from it.", all="{all}", map="{map}"),
        "patch": _("patch of {name}", name="{name}"),
        "products": _("products, together {sum}", sum="{sum}"),
        "curve_label": _("The curve of {kind}: at {x} it is {value}", kind="{kind}", x="{x}", value="{value}"),
        "play": _("Let it slide"),
        "pause": _("Pause"),
        "step": _("One step"),
    }  # fmt: skip


def _sentences() -> dict[str, str]:
    facts = {"unit": "{unit}", "value": "{value}", "x": "{x}", "factor": "{factor}"}
    return {
        "from": _("{value} from {name}", value="{value}", name="{name}"),
        "others": _("{value} from {count} other maps", value="{value}", count="{count}"),
        "window": _("{unit} = {bias} (bias) + {parts} = {value}", unit="{unit}", value="{value}", bias="{bias}", parts="{parts}"),
        "spelled": _("From {name}: {parts} = {sum}", name="{name}", parts="{parts}", sum="{sum}"),
        "spelled_part": _("From {name}: {parts} + {rest} from {count} smaller products = {sum}", name="{name}", parts="{parts}",
                          rest="{rest}", count="{count}", sum="{sum}"),
        "mean": _("{unit} = the mean of {count} numbers: {sum} / {count} = {value}", unit="{unit}", value="{value}", count="{count}", sum="{sum}"),
        "largest": _("{unit} = the largest of {count} numbers: {value}, from {where}", unit="{unit}", value="{value}", count="{count}", where="{where}"),
        "dense": _("{unit} = {bias} (bias) + the sum of {count} products of input and weight = {value}", unit="{unit}", value="{value}", bias="{bias}", count="{count}"),
        "rbf": _("{unit} = minus the sum of {count} squared differences from the class's code = {value}", unit="{unit}", value="{value}", count="{count}"),
        "softmax": _(
            "{unit} = e^({x} − {largest}) / sum of e^(x − {largest}) over all {count} scores = {amount} / {over} = {value}",
            unit="{unit}", value="{value}", x="{x}", largest="{largest}", count="{count}", amount="{amount}", over="{over}",
        ),
        "flatten": _(
            "{unit} is {source} = {value}: ({channel} · {height} + {row}) · {width} + {column} = {index}",
            unit="{unit}", value="{value}", source="{source}", channel="{channel}", height="{height}", row="{row}", width="{width}",
            column="{column}", index="{index}",
        ),
        "nothing": _("{unit} = 0: it stands in a border or a map of zeros", unit="{unit}"),
        "move": _("{unit} is {source} = {value}, carried to another place", unit="{unit}", value="{value}", source="{source}"),
        "add": _("{unit} = {parts} = {value}, the sum of the branches", unit="{unit}", value="{value}", parts="{parts}"),
        "multiply": _("{unit} = {parts} = {value}, the product of the branches", unit="{unit}", value="{value}", parts="{parts}"),
        "norm": _("{unit} = {factor} · {x} + {shift} = {value}", shift="{shift}", **facts),
        "scaled": _("{unit} = {factor} · {x} = {value}", **facts),
        "curve": _("{unit} = {kind}({x}) = {value}", unit="{unit}", value="{value}", x="{x}", kind="{kind}"),
        "pixel": _("{unit} = ({x} / 255 − {mean}) / {std} = {value}", unit="{unit}", value="{value}", x="{x}", mean="{mean}", std="{std}"),
        "passes": _("{unit} = {x}: outside training, dropout lets everything pass", unit="{unit}", x="{x}"),
        "dropped": _("{unit} = 0: this number ({x}) was dropped, as happens with a share of {p}", unit="{unit}", x="{x}", p="{p}"),
        "kept": _("{unit} = {x} / (1 − {p}) = {value}: this number was kept", unit="{unit}", value="{value}", x="{x}", p="{p}"),
        "reaches": _("{unit} = {value} goes into {count} numbers of {name}", unit="{unit}", value="{value}", count="{count}", name="{name}"),
        "peek": _("{unit} = {value}; click, or press Enter, to take it apart", unit="{unit}", value="{value}"),
    }  # fmt: skip


def _tables() -> dict[str, str]:
    return {
        "input": _("input"),
        "x": _("its value"),
        "factor": _("times"),
        "weights": _("weights"),
        "product": _("adds"),
        "go": _("Go down to {unit}", unit="{unit}"),
        "rest": _("the rest: {count} more", count="{count}"),
        "added": _("added besides"),
        "bias": _("bias"),
        "sum": _("{unit}, all together", unit="{unit}"),
        "all": _("{count} more terms", count="{count}"),
        "fewer": _("Fewer"),
        "class": _("class"),
        "score": _("score x"),
        "power": _("e^(x − m)"),
        "over": _("sum S"),
        "divided": _("e^(x − m) / S"),
        "over_all": _("S, all together"),
        "share": _("probability"),
    }


def _gradients() -> dict[str, str | list[str]]:
    return {
        "weight_here": _(
            "At {place}: {x} (what came in, {source}) · {gradient} (what the loss asks) = {product}; over all {count} places dL/d{unit} = {value}",
            place="{place}", x="{x}", source="{source}", gradient="{gradient}", product="{product}", count="{count}", unit="{unit}",
            value="{value}",
        ),
        "weight_border": _(
            "At {place} this weight meets the padding, where 0 comes in; over all {count} places dL/d{unit} = {value}",
            place="{place}", count="{count}", unit="{unit}", value="{value}",
        ),
        "other_images": _("from {count} other images of the batch", count="{count}"),
        "image": _("image {index}", index="{index}"),
        "back": [_("goes into"), _("its gradient"), _("local derivative")],
        "met": [_("what came in"), _("its value"), _("what the loss asks")],
    }  # fmt: skip
