"""Many trials on devices: laid out, compiled, run in blocks. The only room that compiles, or reads jaxprs."""
