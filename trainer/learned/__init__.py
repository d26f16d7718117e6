"""A small encoder that learned to name what is described without its name, and a judge that asks it after the rules.

Imports judge, language and pack; opened by its name at the judges' door, and by `cxr train encoder`. It is never a
reward by default, and nothing that the rules decide comes here.
"""
