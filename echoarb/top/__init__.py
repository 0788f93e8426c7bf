"""`echoarb top`: what the API knows, live on a terminal."""
