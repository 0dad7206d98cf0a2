"""Pure rules of care: programmes, the algebra of task dates, the same algebra as SQL.

programme   frozen values of a programme          loader      knowledge/programmes/*.yaml → programme, checked
evidence    which events close a task             occurrence  the slow, obvious engine: one resident, in Python
compile     the same as SQL for PostgreSQL and DuckDB
"""
