"""Rows of a table, several at once, and what is wrong with any of them."""

from concurrent.futures import ThreadPoolExecutor

AT_ONCE = 12  # most of them wait for somebody


def check(rows, wrong):
    """`wrong` says in words what is wrong with a row, or nothing. All rows are tried, and all that is wrong is told."""

    def tried(row):
        try:
            return wrong(row)
        except AssertionError as late:
            return f"{row[0]}: {late}"

    with ThreadPoolExecutor(AT_ONCE) as pool:
        told = [words for words in pool.map(tried, rows) if words]
    assert not told, "\n" + "\n".join(one[:600] for one in told[:40])
