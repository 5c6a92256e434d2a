"""The web bundle proved in a real browser: ``make web-checks``.

Chromium without a window loads it, classifies, runs its conformance kit, goes offline; what stays for a person: other browsers, phones.
"""
