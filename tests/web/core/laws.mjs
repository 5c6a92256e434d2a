// What the JavaScript of the web bundle must do by itself: what it refuses, and in which words; how latency is measured; the report.

export const OWN = {};
