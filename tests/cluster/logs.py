"""The ends of a cluster's logs, for a test that failed where nobody can look at its files."""

# Of the operator's replicas, and of every other file.
OPERATOR_LINES, LINES = 40, 6
CHARACTERS = 400


def report(folder):
    """Prints where the logs are, and the last lines of each."""
    print(f"logs: {folder}")
    for file in sorted(folder.rglob("*.log")) if folder else []:
        most = OPERATOR_LINES if "outrigger-system" in str(file) else LINES
        lines = file.read_text(errors="replace").splitlines()[-most:]
        print(f"--- {file.relative_to(folder)}", *(line[:CHARACTERS] for line in lines), sep="\n")
