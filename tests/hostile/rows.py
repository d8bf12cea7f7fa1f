"""Runs the rows of a table, several at once, and reports all failures."""

from concurrent.futures import ThreadPoolExecutor

AT_ONCE = 12  # most of them only wait


def check(rows, wrong):
    """`wrong` describes what is wrong with a row, or returns None. All rows run, and all failures are
    reported."""

    def tried(row):
        try:
            return wrong(row)
        except AssertionError as late:
            return f"{row[0]}: {late}"

    with ThreadPoolExecutor(AT_ONCE) as pool:
        failures = [failure for failure in pool.map(tried, rows) if failure]
    assert not failures, "\n" + "\n".join(one[:600] for one in failures[:40])
