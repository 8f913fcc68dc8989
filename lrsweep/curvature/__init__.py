"""The loss's shape: eigenvalues of its Hessian, theory of stability, landscapes, and diagnosis."""
