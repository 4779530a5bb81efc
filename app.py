"""Starts the page: `python app.py`, then open the address it prints."""

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("CODEC_MAX_PIXELS", "30000000")  # 24 MP from any camera, in less than 4 GB

from codec.ui import build, launch_options

demo = build()

if __name__ == "__main__":
    demo.launch(**launch_options())
