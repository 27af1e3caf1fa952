"""The pages of the published store. website/plugins/ hangs them into Datasette; everything here only reads."""
