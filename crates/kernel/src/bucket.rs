use crate::WalletId;

/// How many buckets wallets hash to. Stored with every row, so it never changes.
pub const BUCKETS: i16 = 1024;

/// The first column of every hot key: the unit that is placed on lanes and shards.
pub type Bucket = i16;

/// The bucket of a wallet: FNV-1a over the id's 16 bytes, folded to ten bits.
/// A stable function of ours; the value is stored, so no database has to know it.
pub fn bucket_of(wallet: WalletId) -> Bucket {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in wallet.uuid().as_bytes() {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    let folded = hash ^ (hash >> 32);
    i16::try_from(folded % BUCKETS.unsigned_abs() as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn buckets_are_stable_and_spread_evenly() {
        assert_eq!(bucket_of(WalletId::from_uuid(Uuid::from_u128(1))), 11);
        let mut counts = vec![0u32; 1024];
        for n in 0..102_400u128 {
            let bucket = bucket_of(WalletId::from_uuid(Uuid::from_u128(n * 0x1_0000_0001)));
            counts[usize::try_from(bucket).unwrap()] += 1;
        }
        assert!(counts.iter().all(|c| (40..200).contains(c)), "{counts:?}");
    }
}
