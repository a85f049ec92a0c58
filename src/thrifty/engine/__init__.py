"""Running one function over many frames. Workers return rows; none of them ever opens the store."""
