"""What ran on a device or an emulator: its own report, a phone's times, instructions counted."""
