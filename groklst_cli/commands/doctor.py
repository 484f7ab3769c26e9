"""``groklst doctor``."""

from groklst_cli.commands import options


def doctor(json: options.Json = False) -> None:
    """Check the installation, and say how to repair it.

    Looks at versions, GDAL and PROJ, devices, disk space and environment variables, and
    downscales a tiny scene in a temporary folder. Exits with 1 if something is wrong.
    """
    from dataclasses import asdict

    from groklst_cli.commands import console
    from groklst_cli.errors import GroklstError
    from groklst_cli.pipeline.doctor.checks import examine

    findings = examine()
    if json:
        console.print_json([asdict(finding) for finding in findings])
    else:
        wide = max(len(finding.about) for finding in findings)
        for finding in findings:
            console.stdout.print(f"{finding.state:<8} {finding.about:<{wide}}  {finding.found}")
            if finding.mend:
                console.stdout.print(f"{'':<8} {'':<{wide}}  → {finding.mend}")
    wrong = [finding.about for finding in findings if finding.state == "wrong"]
    if wrong:
        raise GroklstError(
            f"{len(wrong)} of {len(findings)} checks failed ({', '.join(wrong)}); type what the "
            "lines after → say, then run groklst doctor again"
        )
