"""What tests share: servers, clients, faults and stories. Nothing here imports a test."""
