"""Pure rules of facts: definitions, the expression language, and its engines.

catalogue  what each fact is (from knowledge/facts/*.yaml)         located   YAML that remembers file and line
language   text → checked Expression over calls                    checker   names, types, units, allowed functions
compile    calls → ONE SQL pass for PostgreSQL, DuckDB, Spark      reference the slow, obvious engine that explains
"""
