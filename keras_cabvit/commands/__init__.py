"""The subcommands of `cabvit`: one module each, with `add`, which defines its arguments."""
