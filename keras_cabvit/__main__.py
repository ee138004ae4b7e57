"""`python -m keras_cabvit`: the `cabvit` command."""

import sys

import cabvit_program

if __name__ == "__main__":
    sys.exit(cabvit_program.main())
