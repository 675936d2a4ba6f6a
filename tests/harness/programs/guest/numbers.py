"""Reads CSVs of its directory, computes with numpy, and writes what it found."""
import csv
import json
import pathlib
import sys

import numpy as np

at = pathlib.Path(sys.argv[1])
signal = np.loadtxt(at / "signal.csv", delimiter=",", skiprows=1)
t, x = signal[:, 0], signal[:, 1]
spectrum = np.abs(np.fft.rfft(x))
frequencies = np.fft.rfftfreq(len(x), t[1] - t[0])
strongest = frequencies[np.argsort(spectrum)[-2:]]

a = np.loadtxt(at / "matrix.csv", delimiter=",")
b = np.loadtxt(at / "vector.csv", delimiter=",")
u, s, vt = np.linalg.svd(a)
solved = np.linalg.solve(a, b)

with open(at / "solved.csv", "w", newline="") as f:
    csv.writer(f).writerows([repr(float(v))] for v in solved)
np.save(at / "spectrum.npy", spectrum)
(at / "report.json").write_text(json.dumps({
    "frequencies": sorted(float(f) for f in strongest),
    "singular": [float(v) for v in s],
    "residual": float(np.abs(a @ solved - b).max()),
    "again": float(np.abs(u @ np.diag(s) @ vt - a).max()),
    "determinant": float(np.linalg.det(a)),
}))
