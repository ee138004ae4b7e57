"""Operations that one backend computes better than `keras.ops` does."""
