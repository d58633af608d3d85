"""Runs the Python examples of a document as they stand, one after another."""
import re
import sys

with open(sys.argv[1]) as document:
    examples = re.findall(r"^```python\n(.*?)^```$", document.read(), re.M | re.S)
names = {"__name__": "example"}
for example in examples:
    exec(compile(example, sys.argv[1], "exec"), names)
print(len(examples), "examples")
