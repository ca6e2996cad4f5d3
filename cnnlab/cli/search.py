"""``python -m cnnlab search``: many small trainings, proposed by Optuna and, beside it, by luck."""

from __future__ import annotations

import sys
from typing import Any

import click

from cnnlab.cli import emit, json_option, table
from cnnlab.cli.train import OWNER, recipe_flags, with_flags


def register(group: click.Group) -> None:
    """Add ``search`` to ``group``."""
    group.add_command(search)


@click.command()
@click.option("--net", metavar="NET", help="A preset (see: net list) or an architecture's JSON file.")
@click.option("--data", metavar="NAME", help="A data set (see: data list); the preset's own if left out.")
@click.option(
    "--vary",
    multiple=True,
    metavar="WHAT=VALUES",
    help="What may vary, once for each: conv1.out_channels=4..32, lr=1e-4..1e-1:log, fc1.out_features=32..256:step=32, "
    "conv1.kernel_size=3,5, relu1.kind=ReLU,GELU, activation=ReLU,Tanh, drop1=in,out, block1.repeat=1..4.",
)
@click.option("--list", "listing", is_flag=True, help="Train nothing: list what may vary in NET.")
@click.option("--trials", default=12, show_default=True, help="How many networks Optuna tries, and luck as many.")
@click.option("--seconds", type=float, help="After so many seconds no trial begins or goes on.")
@click.option("--max-params", type=int, help="A network with more parameters is thrown away before it trains.")
@click.option("--max-macs", type=int, help="A network with more multiply-adds is thrown away before it trains.")
@click.option("--no-baseline", is_flag=True, help="Leave out the random search that the result is compared with.")
@click.option("--no-prune", is_flag=True, help="Let every trial learn to its end, also one that falls behind.")
@click.option("--keep-runs", is_flag=True, help="Keep every trial's run, not only those that no other one beats.")
@click.option("--resume", metavar="ID", help="Go on with a search that was stopped or broken off; needs nothing else.")
@recipe_flags
@json_option
def search(
    net: str | None,
    data: str | None,
    vary: tuple[str, ...],
    listing: bool,
    trials: int,
    seconds: float | None,
    max_params: int | None,
    max_macs: int | None,
    no_baseline: bool,
    no_prune: bool,
    keep_runs: bool,
    resume: str | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Search for a better network around NET: chosen by the validation images, never by the test images."""
    from cnnlab.architecture.presets import PRESETS, load_network
    from cnnlab.search import Choice, SearchSpec, jobs
    from cnnlab.training.recipe import Recipe

    if resume is not None:
        result = _carried_out(jobs.get(OWNER, resume))
        return emit(result, as_json, lambda: _said(result))
    if net is None:
        raise click.UsageError("Missing option '--net': a preset or an architecture's JSON file.")
    architecture = load_network(net)
    preset = PRESETS.get(net)
    recipe = Recipe.of(with_flags(dict(preset.recipe) if preset else {}, flags))
    if listing:
        return _list(architecture, recipe, as_json)
    if not vary:
        raise click.UsageError("Missing option '--vary': what may vary, as --list lists it.")
    values = {
        "architecture": architecture,
        "data": data or (preset.data if preset else "mnist"),
        "recipe": recipe,
        "choices": tuple(Choice.parse(text) for text in vary),
        "trials": trials,
        "seconds": seconds,
        "max_params": max_params,
        "max_macs": max_macs,
        "baseline": not no_baseline,
        "prune": not no_prune,
        "keep_runs": keep_runs,
        "name": architecture.name,
        "owner": OWNER,
    }
    result = _carried_out(SearchSpec.of(values))
    return emit(result, as_json, lambda: _said(result))


def _list(architecture: Any, recipe: Any, as_json: bool) -> None:
    from cnnlab.search.offer import offered

    found = [
        {"vary": str(one.choice), "now": one.now, "proposed": one.proposed} for one in offered(architecture, recipe)
    ]
    rows = [[one["vary"], one["now"], "yes" if one["proposed"] else ""] for one in found]
    emit(found, as_json, lambda: table(rows, ["vary", "now", "proposed"]))


def _carried_out(asked: Any) -> dict[str, Any]:
    """Carry a search out, telling its progress on standard error; Ctrl-C stops it, and ``--resume`` goes on."""
    import threading

    from tqdm import tqdm  # type: ignore[import-untyped,unused-ignore]

    from cnnlab.search import jobs
    from cnnlab.search.report import report

    spec = getattr(asked, "spec", asked)
    total = 1 + spec.trials * (2 if spec.baseline else 1)
    failed: list[BaseException] = []

    def told(now: Any) -> None:
        bar.n = sum(trial.over for trial in now.trials)
        best = now.best()
        bar.set_postfix({} if best is None else {"val": f"{best.acc:.4f}", "params": best.num_params})

    work = jobs.foreground(asked, told)  # what cannot be carried out is refused before there is a bar
    with tqdm(total=total, unit="trial", file=sys.stderr, desc="search", mininterval=0.5) as bar:

        def carry_out() -> None:
            try:
                work.run()
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=carry_out, name="search")
        thread.start()
        while thread.is_alive():
            try:
                thread.join(0.25)
            except KeyboardInterrupt:
                work.stop()
    if failed:
        raise failed[0]
    return report(work.search)


def _said(result: dict[str, Any]) -> str:
    rows = [
        [
            trial["number"],
            trial["lane"],
            trial["state"],
            f"{trial['num_params']:,}",
            f"{trial['macs']:,}",
            "" if trial["val_acc"] is None else f"{trial['val_acc']:.2%}",
            "*" if trial["on_front"] else "",
            " ".join(f"{name}={_short(value)}" for name, value in trial["values"].items()),
        ]
        for trial in result["trials"]
    ]
    lines = [table(rows, ["trial", "by", "state", "params", "macs", "val", "front", "drawn"]), ""]
    for lane, best in result["best"].items():
        if best is not None:
            lines.append(
                f"best {lane}: trial {best['number']}, {best['val_acc']:.2%} of {result['val_images']:,} validation images, "
                f"{best['num_params']:,} parameters"
                + ("" if best["test_acc"] is None else f"; of the test images, looked at once: {best['test_acc']:.2%}")
            )
    lines.append(result["verdict"])
    if result["pairs"] is not None:
        won = result["pairs"]
        lines.append(
            f"pairs that the search wins: {won['won']:.0%}; by chance as many or more in {won['chance']:.0%} of cases"
        )
    if result["state"] == "stopped":
        lines.append(f"stopped; go on with: python -m cnnlab search --resume {result['search']}")
    if result["note"]:
        lines.append(f"{result['state']}: {result['note']}")
    if thrown := result["thrown_away"]:
        lines.append("thrown away before training: " + ", ".join(f"{count} ({why})" for why, count in thrown.items()))
    if result["importance"] is not None:
        importance = result["importance"]
        shares = ", ".join(
            f"{name} {one['share']:.0%}{'' if one['above_noise'] else ' (not told from luck)'}"
            for name, one in importance["choices"].items()
        )
        lines.append(f"importance, from {importance['trials']} trials: {shares}")
    else:
        lines.append(f"importance: too few trials learned to their end ({result['importance_needs']} are needed)")
    return "\n".join(lines)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
