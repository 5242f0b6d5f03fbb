"""Collects what a Python program imports, so that it runs where there is no Python but the interpreter.

usage: gather.py PROGRAM PACKAGES OUT

PROGRAM is loaded, not run. Modules below the folder PACKAGES count as installed. OUT gets every module at its own place, compiled,
since compiling them takes seconds in an emulated machine.
"""

import encodings.ascii
import encodings.latin_1
import os
import py_compile
import runpy
import shutil
import sys
import traceback

program, packages, out = sys.argv[1:]
sys.dont_write_bytecode = True
sys.path.insert(0, packages)
runpy.run_path(program, run_name="gathered")

for module in list(sys.modules.values()):
    source = getattr(module, "__file__", None)
    if source is None or source == __file__:
        continue
    place = source
    if source.startswith(packages):
        place = "/usr/lib/python3/dist-packages" + source[len(packages):]
    target = out + place
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if source.endswith(".py"):
        unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
        py_compile.compile(source, target + "c", doraise=True, invalidation_mode=unchecked)
    else:
        shutil.copyfile(source, target)
