"""Hold our R4 checks and index against files nobody here wrote: the examples HL7 publishes.

    npm pack hl7.fhir.r4.examples@4.0.1 && tar xzf hl7.fhir.r4.examples-4.0.1.tgz
    python scripts/try_r4_examples.py package [--oracle] [--invariants]

Prints counts, and every file we do not call valid with the reason. `--oracle` also asks fhir.resources (R4B), slowly;
`--invariants` runs what `$validate` runs on all examples up to 60 kB and prints what does not hold.
`healthbrain ingest package` then takes the same folder through intake, where every resource must be accounted for.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path

import orjson

from healthbrain.records.rules import index, invariants, r4


def main(folder: Path, *, oracle: bool, held: bool) -> None:
    names = [p for p in sorted(folder.glob("*.json")) if p.name not in {"package.json", ".index.json"}]
    documents = [(path.name, orjson.loads(path.read_bytes())) for path in names]
    started = time.perf_counter()
    findings = {name: r4.check(document) for name, document in documents}
    seconds = time.perf_counter() - started
    tokens = Counter({name: len(index.tokens(document)) for name, document in documents})
    bad = {name: issues for name, issues in findings.items() if issues}
    valid = len(documents) - len(bad)
    say(f"{len(documents)} files checked in {seconds:.1f} s; valid {valid}, with findings {len(bad)}")
    say(f"unreadable {sum(not r4.readable(issues) for issues in bad.values())}; search tokens {tokens.total()}")
    for name, issues in bad.items():
        say(f"  {name}: {len(issues)} × e.g. {issues[0].severity} {issues[0].path} {issues[0].text}")
    if oracle:
        ask_oracle(documents, set(bad))
    if held:
        hold_invariants(
            [(name, d) for name, d in documents if len(orjson.dumps(d)) < 60_000 and r4.readable(findings[name])]
        )


def hold_invariants(documents: list[tuple[str, dict]]) -> None:
    """What `$validate` would say beyond structure. HL7's own examples should pass."""
    started, found = time.process_time(), Counter[str]()
    for name, document in documents:
        for issue in invariants.findings(document):
            found[issue.severity] += 1
            if issue.severity == "error":
                say(f"  {name}: {issue.path} {issue.text}")
    seconds = time.process_time() - started
    say(f"invariants of {len(documents)} files in {seconds:.1f} s of CPU; not held: {dict(found)}")


def ask_oracle(documents: list[tuple[str, dict]], bad: set[str]) -> None:
    """Where fhir.resources judges differently. It knows R4B, which dropped or changed some types of R4."""
    from fhir.resources.R4B import get_fhir_model_class

    counts: Counter[str] = Counter()
    for name, document in documents:
        try:
            model = get_fhir_model_class(document["resourceType"])
        except (KeyError, ValueError):
            counts["type unknown to R4B"] += 1
            continue
        try:
            model.model_validate(document)
            judged = "valid"
        except Exception as error:
            judged = "invalid"
            if name not in bad:
                say(f"  only the oracle refuses {name}: {str(error).splitlines()[2:3]}")
        counts[f"we {'invalid' if name in bad else 'valid'}, oracle {judged}"] += 1
    for what, number in sorted(counts.items()):
        say(f"{what}: {number}")


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), oracle="--oracle" in sys.argv, held="--invariants" in sys.argv)
