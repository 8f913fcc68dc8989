"""The command that names what there is to choose from: `list`."""


def list_names() -> int:
    """List the ready-made objectives, and the optimizers and schedules with their keywords."""
    import inspect

    from lrsweep import optimizers
    from lrsweep.cli._objective import ready_made
    from lrsweep.cli._printing import print_out
    from lrsweep.optimizers._schedules import SHAPES

    print_out("Objectives:")
    for name, build in ready_made().items():
        print_out(f"  {name:<12} {(inspect.getdoc(build) or '').splitlines()[0]}")
    print_out("\nOptimizers, and their keywords (--set varies those that are numbers):")
    for name in optimizers.names():
        print_out(f"  {name}: {', '.join(inspect.signature(optimizers.by_name(name)).parameters)}")
    print_out("\nSchedules, and their keywords (--schedule; steps are those of --steps):")
    for name, shape in SHAPES.items():
        print_out(f"  {name}: {', '.join(list(inspect.signature(shape).parameters)[1:])}")
    return 0
