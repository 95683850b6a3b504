"""Why an item answers a query: its scores, the words that tell, the regions of its picture."""
