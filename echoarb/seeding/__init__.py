"""`echoarb seed`: sample data, so that boards and API show something at once."""
