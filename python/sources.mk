# Made by contrib/update-sources; don't edit.
