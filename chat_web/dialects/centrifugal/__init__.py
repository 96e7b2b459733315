"""The parts of the Centrifugal dialect: commands, publications, RPC methods, errors."""
