"""Methods with a closed form: seconds instead of minutes, and baselines for the trained heads.

All of them give maps that are added to the base's embeddings, as trained heads are, so that the
same interpolation towards the base protects what the encoder knew.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmsearch.encoders.adapted import AffineMap
from mmsearch.encoders.base import Embeddings, Features

Doubles = NDArray[np.float64]

_LEAST = np.float32(1e-3)  # as where heads are trained
_TINY = 1e-12  # where all rows are the same


def ridge(features: Features, residuals: Features, strength: float) -> AffineMap:
    """Ridge regression (Hoerl and Kennard 1970).

    Args:
        features: float32, shape (n, f).
        residuals: what to predict from them, float32, shape (n, dim).
        strength: the penalty on weights of standardised features, in multiples of n; the mean
            is not penalised.
    """
    mean, target_mean = features.mean(axis=0), residuals.mean(axis=0)
    scale = float(features.std()) + _TINY
    rows = ((features - mean) / scale).astype(np.float64)
    targets = (residuals - target_mean).astype(np.float64)
    penalty = strength * len(rows) * max(float(np.mean(rows**2)), _TINY)
    if len(rows) < rows.shape[1]:  # the dual form: as many unknowns as rows
        inner = rows @ rows.T
        inner[np.diag_indices_from(inner)] += penalty
        weight = rows.T @ np.linalg.solve(inner, targets)
    else:
        moment = rows.T @ rows
        moment[np.diag_indices_from(moment)] += penalty
        weight = np.linalg.solve(moment, rows.T @ targets)
    weight /= scale
    return _affine(weight, target_mean - mean @ weight)


def tower_ridge(features: Features, residuals: Features, penalty: float) -> AffineMap:
    """Ridge regression from the pooled features of a tower, each standardised.

    Args:
        features: float32, shape (n, f).
        residuals: what to predict from them, float32, shape (n, dim). Their mean is left out: it
            is the gap between modalities (Liang et al. 2022), which orders nothing.
        penalty: in multiples of n times the mean squared length of the rows.
    """
    mean, deviation = features.mean(axis=0), features.std(axis=0) + _LEAST
    rows = (features - mean) / deviation
    found = ridge(rows, residuals - residuals.mean(axis=0), penalty * features.shape[1])
    weight = found.weight / deviation[:, None]
    return AffineMap(weight, found.bias - mean @ weight)


def procrustes(source: Embeddings, target: Embeddings) -> AffineMap:
    """Orthogonal Procrustes (Schönemann 1966): the rotation that brings rows onto others.

    Both are centred first; the rotated rows get the others' mean.

    Args:
        source: float32, shape (n, dim), for instance embeddings of photos.
        target: float32, shape (n, dim), of their captions.

    Returns:
        What to add to a source row.
    """
    mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    left, _, right = np.linalg.svd(_doubles(source - mean).T @ _doubles(target - target_mean))
    rotation = left @ right
    return _difference(rotation, target_mean - mean @ rotation)


def whitening(rows: Embeddings, shrinkage: float) -> AffineMap:
    """Whitening of one modality by its own mean and covariance, without any pairs.

    ZCA (Bell and Sejnowski 1997), which stays closest to the rows as they were, with the
    covariance shrunk towards a multiple of the identity (Ledoit and Wolf 2004). The mean of a
    modality is its side of the modality gap (Liang et al. 2022).

    Args:
        rows: float32, shape (n, dim).
        shrinkage: 0 to 1; 1 only centres.

    Returns:
        What to add to a row. The map keeps the rows' mean squared length about the mean.
    """
    mean = rows.mean(axis=0)
    values, vectors, variance = _spectrum(rows, shrinkage)
    scales = np.sqrt(variance / values)
    matrix = (vectors * scales) @ vectors.T
    centred = _doubles(rows - mean)
    moved = centred @ matrix  # shorter, the more the covariance was shrunk
    matrix *= np.sqrt((np.sum(centred**2) + _TINY) / (np.sum(moved**2) + _TINY))
    return _difference(matrix, -(mean @ matrix))


def coral(source: Embeddings, target: Embeddings, shrinkage: float) -> AffineMap:
    """Correlation alignment (CORAL; Sun, Feng and Saenko 2016).

    Gives rows of one modality the mean and covariance of the other, without any pairs.

    Args:
        source: float32, shape (n, dim).
        target: float32, shape (m, dim).
        shrinkage: as of `whitening`, of both covariances.
    """
    mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    values, vectors, _ = _spectrum(source, shrinkage)
    target_values, target_vectors, _ = _spectrum(target, shrinkage)
    white = (vectors / np.sqrt(values)) @ vectors.T
    colour = (target_vectors * np.sqrt(target_values)) @ target_vectors.T
    matrix = white @ colour
    return _difference(matrix, target_mean - mean @ matrix)


def _spectrum(rows: Embeddings, shrinkage: float) -> tuple[Doubles, Doubles, float]:
    """Eigenvalues and vectors of the shrunk covariance, and the mean variance."""
    centred = _doubles(rows - rows.mean(axis=0))
    covariance = centred.T @ centred / len(rows)
    variance = float(np.trace(covariance)) / len(covariance) + _TINY
    covariance *= 1 - shrinkage
    covariance[np.diag_indices_from(covariance)] += shrinkage * variance
    values, vectors = np.linalg.eigh(covariance)
    return np.maximum(values, 1e-9 * variance), vectors, variance


def _difference(matrix: Doubles, bias: Doubles) -> AffineMap:
    """What to add to a row so that it becomes ``row @ matrix + bias``."""
    return _affine(matrix - np.eye(len(matrix)), bias)


def _affine(weight: Doubles, bias: Doubles) -> AffineMap:
    return AffineMap(weight.astype(np.float32), bias.astype(np.float32))


def _doubles(rows: Features) -> Doubles:
    return rows.astype(np.float64)
