"""What `cabvit` can do: a module a command, each with `add`, which makes its arguments."""
