"""A page in headless Chromium, steered through its DevTools protocol over a pair of pipes."""

import base64
import json
import os
import selectors
import shutil
import subprocess
import tempfile
import time

SECONDS = 120


class Page:
    """A page of a headless Chromium of its own; a context manager.

    Args:
        address: string, what it opens first.
        size: (width, height) of the window.
        scheme: "light" or "dark".
    """

    def __init__(self, address, size=(1200, 900), scheme="light"):
        self._profile = tempfile.mkdtemp()
        (given, self._out), (self._in, taken) = os.pipe(), os.pipe()
        # The protocol's pipes are the file descriptors 3 and 4 of the browser.
        shell = 'exec "$0" "$@" 3<&"$GIVEN" 4>&"$TAKEN"'
        self._browser = subprocess.Popen(
            [
                *("bash", "-c", shell, "chromium", "--headless", "--no-sandbox", "--no-first-run"),
                *("--remote-debugging-pipe", "--hide-scrollbars", "--disable-dev-shm-usage"),
                *("--enable-unsafe-swiftshader", f"--user-data-dir={self._profile}"),
                *(f"--window-size={size[0]},{size[1]}", "about:blank"),
            ],
            env=os.environ | {"GIVEN": str(given), "TAKEN": str(taken)},
            pass_fds=(given, taken),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(given), os.close(taken)
        self._buffer, self._number, self._session = b"", 0, None
        self.events = []
        try:
            targets = self.call("Target.getTargets")["targetInfos"]
            target = next(each["targetId"] for each in targets if each["type"] == "page")
            attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
            self._session = attached["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.call(f"{domain}.enable")
            feature = {"name": "prefers-color-scheme", "value": scheme}
            self.call("Emulation.setEmulatedMedia", features=[feature])
            self.call("Page.navigate", url=address)
            self.wait("location.href !== 'about:blank' && document.readyState === 'complete'")
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def call(self, method, **parameters):
        """Calls a method of the protocol and returns its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + SECONDS
        while True:
            answer = self._message(end)
            if answer.get("id") != self._number:
                self.events.append(answer)
            elif "error" in answer:
                raise RuntimeError(f"{method}: {answer['error']['message']}")
            else:
                return answer["result"]

    def value(self, expression):
        """Returns the value of an expression of JavaScript, awaited if it is a promise."""
        found = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in found:
            raise RuntimeError(json.dumps(found["exceptionDetails"])[:2000])
        return found["result"].get("value")

    def wait(self, expression, seconds=SECONDS):
        """Waits until an expression is true."""
        end = time.monotonic() + seconds
        while not self.value(f"Boolean({expression})"):
            if time.monotonic() > end:
                state = self.value("document.body.innerText")
                raise TimeoutError(
                    f"{expression} is not true. The page: {state} {self.complaints()}"
                )
            time.sleep(0.02)

    def upload(self, selector, file):
        """Chooses a file in an input, as a person does."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file)])

    def drop(self, selector, *files):
        """Drags files from the desktop onto an element and lets them go."""
        box = f"document.querySelector({selector!r}).getBoundingClientRect()"
        x, y = self.value(f"(box => [box.x + box.width / 2, box.y + box.height / 2])({box})")
        data = {"items": [], "files": list(map(str, files)), "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.call("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    def paste(self, name, content):
        """Pastes a file from the clipboard."""
        self.value(
            f"""{{
              const bytes = Uint8Array.from(atob({base64.b64encode(content).decode()!r}),
                                            each => each.charCodeAt(0));
              const clipboardData = new DataTransfer();
              clipboardData.items.add(new File([bytes], {name!r}));
              document.dispatchEvent(new ClipboardEvent("paste", {{clipboardData}}));
            }}"""
        )

    def complaints(self):
        """Returns the page's errors and warnings so far."""
        found = []
        for event in self.events:
            parameters = event.get("params", {})
            if event.get("method") == "Log.entryAdded":
                found.append(parameters["entry"]["text"])
            elif event.get("method") == "Runtime.exceptionThrown":
                found.append(json.dumps(parameters["exceptionDetails"])[:500])
        return found

    def addresses(self):
        """Returns the addresses that the page has asked for so far."""
        return [
            event["params"]["request"]["url"]
            for event in self.events
            if event.get("method") == "Network.requestWillBeSent"
        ]

    def close(self):
        """Ends the browser."""
        self._browser.terminate()
        self._browser.wait()
        os.close(self._in), os.close(self._out)
        shutil.rmtree(self._profile, ignore_errors=True)

    def _message(self, end):
        with selectors.DefaultSelector() as selector:
            selector.register(self._in, selectors.EVENT_READ)
            while b"\0" not in self._buffer:
                if not selector.select(max(end - time.monotonic(), 0)):
                    raise TimeoutError("Chromium does not answer.")
                chunk = os.read(self._in, 1 << 20)
                if not chunk:
                    raise RuntimeError("Chromium has ended.")
                self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)
