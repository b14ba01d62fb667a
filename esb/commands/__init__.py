"""The command line, a file per noun. Verbs parse, call `esb/operations`, print; they decide nothing themselves."""
