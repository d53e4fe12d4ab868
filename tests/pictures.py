"""Takes screenshots of a report for the documentation, with chromium and plain WebDriver.

    python3 tests/pictures.py page.html docs/images/
"""

import base64
import json
import pathlib
import subprocess
import sys
import time
import urllib.error
import urllib.request

PORT = 9517
WIDTH = 1280
# Pixels of the picture per pixel of the page.
SCALE = 0.75
# File, color scheme, and the first and last element of the picture.
PICTURES = [
    ("report.png", "light", "#summary", "#data > .grid"),
    ("report-curves.png", "dark", "#performance", "#performance > .grid > figure:nth-child(5)"),
]
BETWEEN = """
const [a, b] = [...arguments].map(s => document.querySelector(s).getBoundingClientRect());
return [a.top + scrollY - 16, b.bottom - a.top + 32];"""


def call(method, path, body=None):
    data = json.dumps(body or {}).encode() if method == "POST" else None
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}{path}", data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request) as response:
        return json.load(response)["value"]


def wait():
    for _ in range(100):
        try:
            return call("GET", "/status")
        except urllib.error.URLError:
            time.sleep(0.1)
    raise SystemExit("chromedriver did not start")


def take_pictures(session, page, folder):
    def devtools(cmd, **params):
        return call("POST", f"/session/{session}/goog/cdp/execute", {"cmd": cmd, "params": params})

    for name, scheme, first, last in PICTURES:
        devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        devtools("Emulation.setDeviceMetricsOverride", width=WIDTH, height=8000, deviceScaleFactor=1, mobile=False)
        call("POST", f"/session/{session}/url", {"url": page.resolve().as_uri()})
        top, height = call("POST", f"/session/{session}/execute/sync", {"script": BETWEEN, "args": [first, last]})
        clip = {"x": 0, "y": max(top, 0), "width": WIDTH, "height": height, "scale": SCALE}
        shot = devtools("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        picture = base64.b64decode(shot["data"])
        (folder / name).write_bytes(picture)
        print(f"{folder / name}: {len(picture) // 1000} KB")


def main():
    page, folder = map(pathlib.Path, sys.argv[1:3])
    driver = subprocess.Popen(["chromedriver", f"--port={PORT}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait()
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
        capabilities = {"alwaysMatch": {"goog:chromeOptions": {"args": arguments}}}
        session = call("POST", "/session", {"capabilities": capabilities})["sessionId"]
        take_pictures(session, page, folder)
        call("DELETE", f"/session/{session}")
    finally:
        driver.kill()


if __name__ == "__main__":
    main()
