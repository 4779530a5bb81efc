"""Picture files of any kind <-> RGB arrays."""
