"""The shape of the loss: its Hessian's eigenvalues, what theory makes of them, landscapes, and diagnosis."""
