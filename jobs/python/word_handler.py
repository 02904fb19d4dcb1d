"""word-handler in Python (`./just python-guest` builds and runs it): counts the words of a text.

Modules are loaded when the component is built, and each instance starts with what they left in memory. Nothing can be
asked of Sandhog at that time: calls belong into `handle`.
"""

import umsgpack
from componentize_py_types import Err
from wit_world import WitWorld as Handler
from wit_world.imports import process
from wit_world.imports.process import Level
from wit_world.imports.types import Format, Message

tasks = 0


class WitWorld(Handler):
    """componentize-py looks for a class of this name."""

    def handle(self, task: Message) -> Message:
        global tasks
        tasks += 1
        words = self.text(task).split()
        if not words:
            # The handler's own error: it goes on, and takes the next task.
            raise Err("there is no word in it")
        process.log(Level.DEBUG, "counted", [("task", str(tasks)), ("words", str(len(words)))])
        count = {"words": len(words), "longest": max(words, key=len), "tasks": tasks}
        return Message(Format.VALUE, umsgpack.packb(count))

    def text(self, task: Message) -> str:
        try:
            text = umsgpack.unpackb(task.body) if task.format == Format.VALUE else None
        except umsgpack.UnpackException as error:
            raise Err(f"the task is no MessagePack: {error!r}")
        # Any other exception would be the end of this handler, and of the tasks that wait for it.
        if not isinstance(text, str):
            raise Err("the task is no text")
        return text
