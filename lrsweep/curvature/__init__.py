"""The shape of the loss: eigenvalues of its Hessian, the theory of stability, landscapes, and diagnosis."""
