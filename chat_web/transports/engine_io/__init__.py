"""The sessions of Socket.IO's transport, by long polls or WebSocket."""
