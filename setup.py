"""What pyproject.toml cannot say: weights, results and docs lie beside the package, and inside it once installed.

`codec.paths.shipped` finds them in either place.
"""

from setuptools import find_namespace_packages, setup

OUTSIDE = {
    "codec._shipped.weights": "weights",
    "codec._shipped.weights.classroom": "weights/classroom",
    "codec._shipped.results": "results",
    "codec._shipped.docs": "docs",
}

setup(
    # Namespace packages: folders of pictures and texts have no __init__.py.
    packages=[*find_namespace_packages(include=["codec", "codec.*"], exclude=["*__pycache__*"]), *OUTSIDE],
    package_dir=OUTSIDE,
    package_data={"": ["*.*"]},
    exclude_package_data={"codec._shipped.docs": ["*.webp"]},
)
