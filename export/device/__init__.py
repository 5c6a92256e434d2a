"""Devices that are not this machine: an emulated arm64 one, and phones over adb.

What ran on the emulated device is never called a phone's. Its instructions are counted and its times are not shown:
an emulator's milliseconds say nothing.
"""
