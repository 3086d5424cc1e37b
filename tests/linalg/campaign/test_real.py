"""Matrices that people have inverted: small, each with its source.

| matrix | source |
|---|---|
| `fs_183_1` | chemical kinetics; Harwell-Boeing collection, SuiteSparse `HB/fs_183_1` |
| `mcca` | radiative transfer of stars; Harwell-Boeing collection, SuiteSparse `HB/mcca` |
| Longley | NIST Statistical Reference Datasets, linear regression: US employment 1947-1962 |
| Wampler | NIST StRD: a polynomial of degree 5 at 0, 1, ..., 20 |
| Hald | heat of hardening cement; Draper and Smith, Applied Regression Analysis |
| WSCC 9 | Anderson and Fouad, Power System Control and Stability; MATPOWER's `case9` |
| tableau | Butcher matrices of Gauss and Radau IIA; Hairer and Wanner, Solving ODEs II, IV.5 |
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from linalg.campaign.cases import DTYPES
from linalg.campaign.judge import Kind, judge_matrix

SHIPPED = Path(__file__).parent / "matrices"

LONGLEY = """
83.0 234289 2356 1590 107608 1947
88.5 259426 2325 1456 108632 1948
88.2 258054 3682 1616 109773 1949
89.5 284599 3351 1650 110929 1950
96.2 328975 2099 3099 112075 1951
98.1 346999 1932 3594 113270 1952
99.0 365385 1870 3547 115094 1953
100.0 363112 3578 3350 116219 1954
101.2 397469 2904 3048 117388 1955
104.6 419180 2822 2857 118734 1956
108.4 442769 2936 2798 120445 1957
110.8 444546 4681 2637 121950 1958
112.6 482704 3813 2552 123366 1959
114.2 502601 3931 2514 125368 1960
115.7 518173 4806 2572 127852 1961
116.9 554894 4007 2827 130081 1962
"""

HALD = """
7 26 6 60
1 29 15 52
11 56 8 20
11 31 8 47
7 52 6 33
11 55 9 22
3 71 17 6
1 31 22 44
2 54 18 22
21 47 4 26
1 40 23 34
11 66 9 12
10 68 8 12
"""

# from, to, resistance, reactance, line charging: per unit
WSCC_9 = """
1 4 0 0.0576 0
4 5 0.017 0.092 0.158
5 6 0.039 0.17 0.358
3 6 0 0.0586 0
6 7 0.0119 0.1008 0.209
7 8 0.0085 0.072 0.149
8 2 0 0.0625 0
8 9 0.032 0.161 0.306
9 4 0.01 0.085 0.176
"""


def table(numbers):
    return np.array([line.split() for line in numbers.strip().splitlines()], float)


def design(numbers):
    x = table(numbers)
    return np.column_stack([np.ones(len(x)), x])


def admittance():
    y = np.zeros((9, 9), complex)
    for start, end, resistance, reactance, charging in table(WSCC_9):
        i, j = int(start) - 1, int(end) - 1
        series = 1 / (resistance + 1j * reactance)
        y[[i, j], [i, j]] += series + 0.5j * charging
        y[[i, j], [j, i]] -= series
    return y


def radau():
    s = 6**0.5
    return np.array(
        [
            [(88 - 7 * s) / 360, (296 - 169 * s) / 1800, (-2 + 3 * s) / 225],
            [(296 + 169 * s) / 1800, (88 + 7 * s) / 360, (-2 - 3 * s) / 225],
            [(16 - s) / 36, (16 + s) / 36, 1 / 9],
        ]
    )


def gauss():
    s = 15**0.5
    return np.array(
        [
            [5 / 36, 2 / 9 - s / 15, 5 / 36 - s / 30],
            [5 / 36 + s / 24, 2 / 9, 5 / 36 - s / 24],
            [5 / 36 + s / 30, 2 / 9 + s / 15, 5 / 36],
        ]
    )


def gram(x):
    return x.T @ x


def correlation(numbers):
    return np.corrcoef(table(numbers), rowvar=False)


REAL = {
    "fs_183_1": lambda: np.load(SHIPPED / "fs_183_1.npz")["a"],
    "mcca": lambda: np.load(SHIPPED / "mcca.npz")["a"],
    "longley": lambda: gram(design(LONGLEY)),
    "longley-correlation": lambda: correlation(LONGLEY),
    "wampler": lambda: gram(np.vander(np.arange(21.0), 6)),
    "hald": lambda: gram(design(HALD)),
    "hald-correlation": lambda: correlation(HALD),
    "wscc-9": admittance,
    "radau": radau,
    "gauss": gauss,
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", REAL)
def test_nothing_is_wrong_with_the_inverse_of_a_real_matrix(name, dtype):
    a = REAL[name]()
    if np.iscomplexobj(a) and np.dtype(dtype).kind != "c":
        a = a.imag
    a = a.astype(dtype)
    for method in ("auto", "general") + ("spd",) * np.array_equal(a, a.conj().T):
        found = judge_matrix(a, method, f"{name} as {dtype} by {method}").findings
        faults = [f for f in found if f.kind is not Kind.MEMORY_ORDER_DIGITS]
        assert not faults, "\n".join(map(str, faults))
