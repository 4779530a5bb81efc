"""What a page for strangers needs beside its tabs: a fair queue, limits, memory and files that are given back."""
