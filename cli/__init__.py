"""The command line: one small module a verb, which parses, calls the verb's function and prints."""
