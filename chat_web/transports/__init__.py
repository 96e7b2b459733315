"""How bytes travel: WebSockets, HTTP answers that do not end, and Engine.IO sessions. Knows no chat."""
