"""Find out whether the tests notice changes of the code: ``make mutants``, ``python -m tests.mutation --help``.

    operators.py  what can be changed in a source, one small change at a time; no file, no process
    tracing.py    a plugin for pytest that notes which tests run which lines
    tests_of.py   runs it, and picks the tests for a line
    copies.py     copies of the checkout, in which mutants are tried

A mutant that no test notices is printed as a change of one line. Those that change nothing that can be seen
(a time that is waited a little longer, a look that saves a lock) survive rightly; what else survives wants a test.
"""
